"use client";

import { useRouter } from "next/navigation";
import { useCallback, useEffect, useState } from "react";

import { LoggedOut } from "./api";
import { message } from "./format";
import { isLoggedIn } from "./session";

/**
 * Leads to the login when there is no session, and catches the errors of calls: `guard` runs one,
 * `error` is what the last one that failed said.
 */
export function useGuard() {
  const router = useRouter();
  const [ready, setReady] = useState(false);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    if (isLoggedIn()) setReady(true);
    else router.replace("/login");
  }, [router]);

  const guard = useCallback(
    async (work: () => Promise<void>) => {
      setError(null);
      try {
        await work();
      } catch (caught) {
        if (caught instanceof LoggedOut) router.replace("/login");
        else setError(message(caught));
      }
    },
    [router],
  );
  return { ready, error, guard };
}
