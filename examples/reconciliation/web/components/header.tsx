"use client";

import Link from "next/link";
import { usePathname, useRouter } from "next/navigation";

import { logOut } from "@/lib/session";

export function Header() {
  const router = useRouter();
  const onLogin = usePathname() === "/login";

  async function leave() {
    // The session ends here even if the server cannot be told.
    await logOut().catch(() => undefined);
    router.replace("/login");
  }

  return (
    <header>
      <Link href="/" className="brand">
        <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M8 12h12l-3-3M24 20H12l3 3" />
        </svg>
        Reconciliation
      </Link>
      <nav>
        <Link href="/status">Status</Link>
        {!onLogin && (
          <button type="button" className="plain" onClick={leave}>
            Log out
          </button>
        )}
      </nav>
    </header>
  );
}
