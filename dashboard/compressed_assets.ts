// Compresses the assets at the build, so that the service need not do it for each request.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import type { Plugin } from "vite";

/** Bytes of the shortest file that is compressed, as in graphql_api/middleware/compression.py. */
const MINIMUM = 1024;

export function compressedAssets(): Plugin {
  return {
    name: "compressed-assets",
    writeBundle({ dir }, bundle) {
      for (const file of Object.keys(bundle).filter((name) => name.startsWith("assets/"))) {
        const content = readFileSync(join(dir!, file));
        if (content.length >= MINIMUM) {
          writeFileSync(join(dir!, `${file}.gz`), gzipSync(content, { level: 9 }));
        }
      }
    },
  };
}
