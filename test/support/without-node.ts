/** A leaf module as it is where there is neither Buffer nor a builtin module, as in a browser. */
export async function withoutNode<T>(module: string): Promise<T> {
  const { Buffer, process } = globalThis
  try {
    Object.assign(globalThis, { Buffer: undefined, process: undefined })
    return (await import(`../../src/${module}?portable`)) as T
  } finally {
    Object.assign(globalThis, { Buffer, process })
  }
}
