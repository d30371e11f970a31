/* Makes the SDK's functions callable from a test: one call in, one answer of plain JSON out. In Node and in a browser. */
globalThis.callerOf = (sdk) => {
  const lists = [];

  const plain = (value) => {
    if (!value || !value.iterator) return value;
    const { count, results, done } = value;
    return { count, results, done, list: lists.push(value) - 1 };
  };

  const named = {
    /* A stored profile is what the app hands back to the SDK at its next start. */
    init: ({ stored, ...args }) =>
      sdk.init(stored ? { ...args, storageStrategy: { get: () => stored, set: () => {} } } : args),
    next: async ({ list }) => {
      const page = await lists[list].next();
      return { ...page.value, done: page.done };
    },
  };

  return async ({ call, args }) => {
    try {
      return { value: plain(await (named[call] ?? sdk[call])(args)) };
    } catch (error) {
      return { error: error instanceof Error ? { message: String(error.stack) } : error };
    }
  };
};
