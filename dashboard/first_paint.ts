// Puts src/theme/first_paint.js into the dashboard's head as a file of its own, which blocks the first paint: modules do not.
import { readFileSync } from "node:fs";

import type { Plugin } from "vite";

const SOURCE = new URL("src/theme/first_paint.js", import.meta.url);
const NAME = "first_paint.js";
const PAGE = "/index.html";

export function firstPaint(): Plugin {
  return {
    name: "first-paint",
    buildStart() {
      this.emitFile({ type: "asset", name: NAME, source: readFileSync(SOURCE, "utf8") });
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, { path, bundle }) {
        const file = Object.values(bundle ?? {}).find((each) => each.type === "asset" && each.names.includes(NAME));
        return path === PAGE && file !== undefined ? [{ tag: "script", attrs: { src: `./${file.fileName}` }, injectTo: "head-prepend" }] : [];
      },
    },
  };
}
