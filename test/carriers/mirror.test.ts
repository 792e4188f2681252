/** Static files as a carrier: the small file under .well-known, and the root file of a mirror. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { openHttp } from '../../src/http/index.ts'
import { mirrorCarrier } from '../../src/mirror/mirror-carrier.ts'
import { attachmentsOf, encodeRootFile, wellKnownPath } from '../../src/mirror/root-file.ts'
import { surroundings } from '../../src/surroundings.ts'
import { carrierConformance } from '../conformance/carriers.ts'
import { FileServer } from '../support/file-server.ts'
import { fastClock } from '../support/mirror-lab.ts'

const { clock } = surroundings

carrierConformance('carriers/mirror', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coppice-'))
  const server = await FileServer.open(directory)
  const silent = await FileServer.open(directory, () => true)
  const put = async (path: string, bytes: Uint8Array): Promise<void> => {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), bytes)
  }
  return {
    open: async () => mirrorCarrier(openHttp(server.url, { clock })),
    openSilent: async () => mirrorCarrier(openHttp(silent.url, { clock: fastClock(1000) })),
    write: async (pointer, { signedRoot, attachments }) => {
      const file = { roots: [{ signedRoot, packs: [] }], packs: [], attachments: attachmentsOf(attachments) }
      await put(wellKnownPath(pointer), encodeRootFile(file))
    },
    // Where the file is not one at all, and where the signed root in it is none.
    show: async (pointer, bytes) => {
      const file = { roots: [{ signedRoot: bytes, packs: [] }], packs: [], attachments: [] }
      await put(wellKnownPath(pointer), bytes.length % 2 === 0 ? bytes : encodeRootFile(file))
    },
    carries: Object.values(ATTACHMENT_IDS),
    remove: async () => {
      await server[Symbol.asyncDispose]()
      await silent[Symbol.asyncDispose]()
      await rm(directory, { recursive: true })
    },
  }
})
