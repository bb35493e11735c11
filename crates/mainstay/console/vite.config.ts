import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Where `npm run dev` finds the admin API: the mock, or a running `mainstay up`.
const api = process.env.MAINSTAY_API ?? 'http://127.0.0.1:24010';

export default defineConfig({
  plugins: [svelte()],
  build: {
    // `light-dark()` and nested rules go to the browser as written.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // No `data:` addresses and no inline script: the page runs under `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { host: '127.0.0.1', port: 24011, proxy: { '/api': api } },
});
