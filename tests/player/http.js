/** A web server for tests: it serves some bytes by ranges, counts, and fails when it is told to. */

import { createServer } from "node:http";

/**
 * Serve bytes until the test is over.
 * @param {import("node:test").TestContext} t
 * @param {Uint8Array} bytes
 * @param {{knowsRanges?: boolean}} options
 */
export async function serving(t, bytes, { knowsRanges = true } = {}) {
  const site = {
    url: "",
    requests: /** @type {string[]} */ ([]),
    sent: 0,
    failures: /** @type {(number | "cut")[]} */ ([]),
  };
  const server = createServer((request, response) => {
    site.requests.push(request.headers.range ?? "");
    const failure = site.failures.shift();
    if (failure === "cut") {
      response.writeHead(206, { "Content-Length": 1000, "Content-Range": `bytes 0-999/${bytes.length}` });
      response.write("half of it");
      setTimeout(() => request.socket.destroy(), 20);
      return;
    }
    if (failure) {
      response.writeHead(failure).end();
      return;
    }
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
    if (!range || !knowsRanges) {
      site.sent += bytes.length;
      response.writeHead(200, { "Content-Length": bytes.length }).end(bytes);
      return;
    }
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    site.sent += to + 1 - from;
    response.writeHead(206, {
      "Content-Range": `bytes ${from}-${to}/${bytes.length}`,
      "Content-Length": to + 1 - from,
    });
    response.end(bytes.subarray(from, to + 1));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  site.url = `http://127.0.0.1:${address.port}/stem`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return site;
}
