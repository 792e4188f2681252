/** The files of a mirror, of which everything from the n-th change on fails, as after a kill: nothing is cleaned up either. */
import { CoppiceError } from '../../src/errors.ts'
import type { MirrorFiles, NewFile, OpenFile } from '../../src/mirror/mirror-files.ts'

export class FaultyFiles implements MirrorFiles {
  /** Changes that were tried: files made, written to, renamed, removed. */
  changes = 0
  readonly #files: MirrorFiles
  readonly #failsAt: number

  constructor(files: MirrorFiles, failsAt: number) {
    this.#files = files
    this.#failsAt = failsAt
  }

  get directory(): string {
    return this.#files.directory
  }

  readSmall(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    return this.#files.readSmall(path, bytesMax)
  }

  open(path: string): Promise<OpenFile | undefined> {
    return this.#files.open(path)
  }

  packs(): Promise<string[]> {
    return this.#files.packs()
  }

  async create(): Promise<NewFile> {
    const file = await this.#change(() => this.#files.create())
    return {
      write: (bytes) => this.#change(() => file.write(bytes)),
      commit: (path) => this.#change(() => file.commit(path)),
      discard: async () => {
        if (this.changes <= this.#failsAt) await file.discard()
      },
    }
  }

  remove(path: string): Promise<void> {
    return this.#change(() => this.#files.remove(path))
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    if (this.changes++ >= this.#failsAt) throw new CoppiceError('STORE_FULL', 'the disk is full')
    return await work()
  }
}
