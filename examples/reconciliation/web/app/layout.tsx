import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import { Header } from "@/components/header";
import "./globals.css";

export const metadata: Metadata = {
  title: "Reconciliation",
  description: "Matches bank statements with ledgers.",
};

export const viewport: Viewport = {
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f6f7f5" },
    { media: "(prefers-color-scheme: dark)", color: "#111513" },
  ],
};

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <Header />
        <main>{children}</main>
      </body>
    </html>
  );
}
