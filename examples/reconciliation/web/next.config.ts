import type { NextConfig } from "next";

const config: NextConfig = {
  // A server with what it needs beside it; `scripts/next.mjs` puts the static files there.
  output: "standalone",
  outputFileTracingRoot: import.meta.dirname,
  poweredByHeader: false,
  // The gateway serves the development server under this name.
  allowedDevOrigins: ["reconciliation.localhost"],
  devIndicators: false,
};

export default config;
