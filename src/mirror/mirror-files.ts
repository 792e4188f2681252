/**
 * A mirror's directory on disk (mirror.md, 4). A file appears when it is whole and flushed: written aside, renamed, and the
 * rename flushed. So a kill at any point, or a power cut, leaves what was there before, and files nobody names.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { syncDirectory, toFileError } from '../directory/file-errors.ts'
import { CoppiceError } from '../errors.ts'
import { currentHolder, decodeHolder, encodeHolder, type Holder, isAlive } from '../store/lmdb-holder.ts'
import { PACK_FOLDER } from './root-file.ts'

/** A file that is being written. */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>
  /** Makes it appear as `path`, in the place of what was there. */
  commit(path: string): Promise<void>
  /** Never rejects; nothing happens after {@link commit}. */
  discard(): Promise<void>
}

export interface OpenFile {
  readonly bytes: number
  /** @throws {CoppiceError} `STORE_CORRUPT` where the file ends before. */
  read(start: number, end: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** What is done with the files of a mirror. Paths are below its directory. */
export interface MirrorFiles {
  readonly directory: string
  /** Undefined where there is none. Of one above `bytesMax` only so many bytes, and one more. */
  readSmall(path: string, bytesMax: number): Promise<Uint8Array | undefined>
  /** Undefined where there is none. */
  open(path: string): Promise<OpenFile | undefined>
  create(): Promise<NewFile>
  remove(path: string): Promise<void>
  /** What is in the folder of packs. */
  packs(): Promise<string[]>
}

const LOCK_FILE = '.lock'
const TEMPORARY = /^\.[0-9a-f]{12}\.tmp$/
const LOCK_BYTES_MAX = 4096
/** Of an exporter that removes the lock of a process that ended. */
const REMOVER = /^\.lock-[0-9a-f]{12}$/
/** For the few steps of another one that is about the same: a second in all. */
const REMOVE_WAIT_MS = 10
const REMOVE_WAITS_MAX = 100

/**
 * Makes the directory where it is missing, and runs `work` while nobody else exports into it.
 * @throws {CoppiceError} `STORE_LOCKED` with `details.pid`, `STORE_*`.
 */
export async function withMirrorFiles<T>(directory: string, work: (files: MirrorFiles) => Promise<T>): Promise<T> {
  await attempt('making the directory', directory, () => mkdir(join(directory, PACK_FOLDER), { recursive: true }))
  const lock = join(directory, LOCK_FILE)
  await takeLock(lock)
  try {
    const files = new DiskFiles(directory)
    // What another process was writing when it was killed.
    for (const name of await files.packs()) if (TEMPORARY.test(name)) await files.remove(`${PACK_FOLDER}/${name}`)
    return await work(files)
  } finally {
    await unlink(lock).catch(() => {})
  }
}

/** One of a process that ended counts for nothing. @throws {CoppiceError} `STORE_LOCKED`, `STORE_*`. */
async function takeLock(path: string): Promise<void> {
  const self = currentHolder()
  for (let tries = 0; ; tries++) {
    try {
      await writeFile(path, encodeHolder(self), { flag: 'wx' })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw toFileError(error, 'locking the mirror', path)
    }
    const holder = await readHolder(path)
    // One that has nothing in it yet was made just now.
    if (tries > 0 || holder === undefined || isAlive(holder, self, undefined)) throw locked(path, holder?.pid)
    await removeStale(path, self)
  }
}

/**
 * Removes the lock of a process that ended, and never the one that another exporter has made in its place meanwhile: only
 * while no other living one is about the same. Each says so in a file of its own, which is whole before it looks for others': of
 * two, the later one sees the earlier.
 */
async function removeStale(path: string, self: Holder): Promise<void> {
  const name = `${LOCK_FILE}-${randomBytes(6).toString('hex')}`
  const own = join(dirname(path), name)
  await attempt('locking the mirror', own, () => writeFile(own, encodeHolder(self), { flag: 'wx' }))
  try {
    for (let waits = 0; ; waits++) {
      const others = await removersBeside(name, path, self)
      if (others.length === 0) break
      // The first by name waits, so that of several one does it.
      const isFirst = others.every((other) => name < other.name)
      if (!isFirst || waits === REMOVE_WAITS_MAX) throw locked(path, others[0]?.holder.pid)
      await setTimeout(REMOVE_WAIT_MS)
    }
    const holder = await readHolder(path)
    if (holder !== undefined && !isAlive(holder, self, undefined)) await unlink(path).catch(() => {})
  } finally {
    await unlink(own).catch(() => {})
  }
}

/** The living others. What one left that was killed is removed; a file with nothing in it is of one that has not looked yet. */
async function removersBeside(
  name: string,
  path: string,
  self: Holder,
): Promise<{ readonly name: string; readonly holder: Holder }[]> {
  const directory = dirname(path)
  const found: { readonly name: string; readonly holder: Holder }[] = []
  for (const other of await attempt('listing the directory', directory, () => readdir(directory))) {
    if (other === name || !REMOVER.test(other)) continue
    const holder = await readHolder(join(directory, other))
    if (holder === undefined) continue
    if (isAlive(holder, self, undefined)) found.push({ name: other, holder })
    else await unlink(join(directory, other)).catch(() => {})
  }
  return found
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return decodeHolder(bytes?.subarray(0, LOCK_BYTES_MAX))
}

function locked(path: string, pid: number | undefined): CoppiceError {
  const who = pid === undefined ? 'another process' : `process ${pid}`
  return new CoppiceError(
    'STORE_LOCKED',
    `mirror ${dirname(path)}: ${who} is exporting into it; wait until it ends, or remove ${path} where none does`,
    { details: { path, pid } },
  )
}

class DiskFiles implements MirrorFiles {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  async readSmall(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    const file = await this.open(path)
    if (file === undefined) return undefined
    try {
      return await file.read(0, Math.min(file.bytes, bytesMax + 1))
    } finally {
      await file.close()
    }
  }

  async open(path: string): Promise<OpenFile | undefined> {
    const whole = join(this.directory, path)
    try {
      const file = await open(whole, 'r')
      const { size } = await file.stat()
      const read = (start: number, end: number): Promise<Uint8Array> =>
        attempt('reading the file', whole, async () => {
          const bytes = new Uint8Array(end - start)
          const { bytesRead } = await file.read(bytes, 0, bytes.length, start)
          if (bytesRead === bytes.length) return bytes
          throw new CoppiceError('STORE_CORRUPT', `${whole}: expected ${end} bytes, got ${start + bytesRead}`)
        })
      return { bytes: size, read, close: () => file.close() }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw toFileError(error, 'opening the file', whole)
    }
  }

  async create(): Promise<NewFile> {
    const path = join(this.directory, PACK_FOLDER, `.${randomBytes(6).toString('hex')}.tmp`)
    const file = await attempt('writing the file', path, () => open(path, 'wx'))
    let isOpen = true
    const close = async (): Promise<void> => {
      if (isOpen) await file.close()
      isOpen = false
    }
    return {
      write: (bytes) => attempt('writing the file', path, () => file.writeFile(bytes)),
      commit: (target) =>
        attempt('writing the file', join(this.directory, target), async () => {
          await file.sync()
          await close()
          const whole = join(this.directory, target)
          await mkdir(dirname(whole), { recursive: true })
          await rename(path, whole)
          await syncDirectory(dirname(whole))
        }),
      discard: async () => {
        await close().catch(() => {})
        await unlink(path).catch(() => {})
      },
    }
  }

  async remove(path: string): Promise<void> {
    const whole = join(this.directory, path)
    await attempt('removing the file', whole, async () => {
      await unlink(whole).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
    })
  }

  async packs(): Promise<string[]> {
    const folder = join(this.directory, PACK_FOLDER)
    return await attempt('listing the directory', folder, () => readdir(folder))
  }
}

/** @throws {CoppiceError} `STORE_FULL`, `STORE_READ_ONLY`, `STORE_IO`. */
async function attempt<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw toFileError(error, action, path)
  }
}
