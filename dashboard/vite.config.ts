import { defineConfig } from "vite";

import { compressedAssets } from "./compressed_assets.ts";
import { firstPaint } from "./first_paint.ts";
import { schemaSummary } from "./schema.ts";

// `duetime api` serves the pages: each HTML file has its own path, and everything else is under assets/. Paths are relative,
// so they also work behind a proxy that serves Duetime under a prefix.
export default defineConfig({
  base: "./",
  plugins: [schemaSummary(), firstPaint(), compressedAssets()],
  build: {
    outDir: "../graphql_api/static",
    emptyOutDir: true,
    // Which files a page loads, by which tests/api/test_dashboard.py sums them up.
    manifest: "manifest.json",
    assetsDir: "assets",
    // The pages' content security policy allows data: URLs only for images, so fonts and other assets have to be files.
    assetsInlineLimit: 0,
    target: "es2022",
    // Every browser of the target preloads modules by itself.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      input: { index: "index.html", graphql: "graphql.html", swagger: "swagger.html" },
      // "use client" matters only where a server renders React.
      checks: { moduleLevelDirective: false },
      output: {
        codeSplitting: {
          groups: [
            // What the pages share with each other, so that the other two load nothing else of the dashboard.
            { name: "key", test: /src\/key\//, priority: 1 },
            { name: "react", test: /node_modules\/(react|react-dom|scheduler)\//, priority: 1 },
            { name: "graphql-ws", test: /node_modules\/graphql-ws\//, priority: 1 },
            // What the frame, the overview and other pages of the dashboard need, with the libraries behind it, in one file: many
            // small ones compress worse.
            { name: "shared", test: /src\/app\/(router|api\/(live|polling|task_actions|task_names)|time\/schedule|ui\/(Card|Segments|Stat|Time|states))\./ },
          ],
        },
      },
    },
  },
  worker: { format: "es" },
});
