/** Slow links in a process of their own. */
import { Child } from '../process/child.ts'
import type { LinkArguments } from '../rounds/link.ts'

interface Carried {
  readonly up: number
  readonly down: number
}

export class LinkChild {
  /** To dial instead of each target, in the order of the targets. */
  readonly ports: readonly number[]
  readonly #child: Child

  private constructor(child: Child, ports: readonly number[]) {
    this.#child = child
    this.ports = ports
  }

  static async start(links: LinkArguments, timeoutMs: number): Promise<LinkChild> {
    const child = new Child('link.ts', [JSON.stringify(links)], timeoutMs)
    return new LinkChild(child, JSON.parse(await child.line()) as number[])
  }

  /** What each link has carried so far. */
  async carried(): Promise<Carried[]> {
    this.#child.tell('carried')
    return JSON.parse(await this.#child.line()) as Carried[]
  }

  /** Bytes of all links in both directions. */
  async total(): Promise<number> {
    return (await this.carried()).reduce((sum, { up, down }) => sum + up + down, 0)
  }

  end(): Promise<void> {
    return this.#child.end()
  }

  kill(): void {
    this.#child.kill()
  }
}
