import { defineConfig } from "vite";

// The pages are served by `duetime api`: each HTML file at a path of its own, everything else under assets/. Paths are
// relative, so that they also hold behind a proxy that puts Duetime under a prefix.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../graphql_api/static",
    emptyOutDir: true,
    assetsDir: "assets",
    // The pages' policy allows no data: URLs but images, so fonts and the like are files.
    assetsInlineLimit: 0,
    target: "es2022",
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      input: { graphql: "graphql.html", swagger: "swagger.html" },
      // "use client" is for servers that render React; here it means nothing.
      checks: { moduleLevelDirective: false },
    },
  },
  worker: { format: "es" },
});
