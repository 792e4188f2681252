/** What the tests use of npm's bittorrent-dht 11. */
declare module 'bittorrent-dht' {
  export interface FoundValue {
    readonly v: Buffer
    readonly seq?: number
  }

  export interface MutablePut {
    readonly k: Buffer
    readonly salt?: Buffer
    readonly seq: number
    readonly v: Buffer
    readonly sign: (bytes: Buffer) => Buffer
  }

  export default class DHT {
    constructor(options: {
      readonly bootstrap: false
      readonly timeout: number
      readonly verify: (signature: Buffer, bytes: Buffer, key: Buffer) => boolean
    })
    listen(port: number, host: string, done: () => void): void
    address(): { readonly port: number }
    addNode(node: { readonly host: string; readonly port: number }): void
    toJSON(): { readonly nodes: readonly object[] }
    get(
      target: Buffer,
      options: { readonly cache: false; readonly salt: Buffer },
      done: (error: Error | null, value: FoundValue | null) => void,
    ): void
    put(options: MutablePut, done: (error: Error | null) => void): void
    destroy(done: () => void): void
  }
}
