/** Bundle the recording page's JavaScript: player/ into static/player/. `--watch` builds again after each change. */

import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * signalsmith-stretch offers an AudioNode of its own; we run its WebAssembly inside ours, so that all stems move in lock
 * step, and in workers and tests, where there are no nodes. Its file keeps that part to itself: here it is exported.
 */
export const stretchFactory = {
  name: "stretch-factory",
  setup(build) {
    build.onLoad({ filter: /SignalsmithStretch\.mjs$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const end = source.indexOf("if (typeof exports === 'object'");
      if (end < 0) throw new Error("signalsmith-stretch looks different: mend scripts/build-player.mjs");
      return { contents: `${source.slice(0, end)}export default SignalsmithStretch;`, loader: "js" };
    });
  },
};

export const options = {
  absWorkingDir: root,
  entryPoints: {
    page: "player/page.js",
    worklet: "player/engine/worklet.js",
    reader: "player/engine/reader.js",
    formats: "player/engine/any_source.js",
    stretch: "player/engine/stretch_module.js",
    export: "player/export/worker.js",
  },
  outdir: "static/player",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome111", "firefox115", "safari16.4"],
  charset: "utf8",
  legalComments: "linked",
  plugins: [stretchFactory],
  logLevel: "warning",
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // What an earlier version has left there would be served for ever.
  await rm(new URL("../static/player", import.meta.url), { recursive: true, force: true });
  if (process.argv.includes("--watch")) await (await esbuild.context(options)).watch();
  else await esbuild.build(options);
}
