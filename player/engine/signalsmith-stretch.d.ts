declare module "signalsmith-stretch" {
  /** As scripts/build-player.mjs exports it: the factory of the WebAssembly module. */
  const createStretch: () => Promise<unknown>;
  export default createStretch;
}
