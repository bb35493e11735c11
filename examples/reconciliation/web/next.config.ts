import type { NextConfig } from "next";

const config: NextConfig = {
  // A server with what it needs beside it; `scripts/next.mjs` puts the static files there.
  output: "standalone",
  outputFileTracingRoot: import.meta.dirname,
  // There are no images to scale, and so no need for what scales them.
  images: { unoptimized: true },
  outputFileTracingExcludes: { "*": ["node_modules/sharp/**", "node_modules/@img/**"] },
  poweredByHeader: false,
  // The gateway serves the development server under this name.
  allowedDevOrigins: ["reconciliation.localhost"],
  devIndicators: false,
};

export default config;
