// Starts the engine in its worker. The page says where the two files are.
onmessage = async ({ data }) => {
  onmessage = null;
  try {
    const engine = await import(data.glue);
    await engine.default({ module_or_path: data.wasm });
  } catch (error) {
    // The page starts the worker anew after a pause.
    setTimeout(() => { throw error; });
  }
};
