/** How the demo speaks: numbered steps, commands as one would type them, and what they print, indented. */
import { styleText } from 'node:util'

/** Of a line of output, without the indentation. */
const OUTPUT_WIDTH_MAX = 100

export class Story {
  /** Long values by the name they are shown as. */
  readonly #names = new Map<string, string>()
  #steps = 0

  /** From now on `value` is shown as `$name`, as in a shell. */
  name(name: string, value: string): void {
    console.log(`  ${name}=${this.#shortened(value)}`)
    this.#names.set(value, `$${name}`)
  }

  step(title: string): void {
    console.log(`\n${styleText('bold', `${++this.#steps}. ${title}`, { stream: process.stdout })}`)
  }

  say(text: string): void {
    console.log(`  ${text}`)
  }

  /** `background`: it goes on while the next ones run. */
  command(args: readonly string[], background: boolean = false): void {
    console.log(`  $ ${['coppice', ...args.map((arg) => this.#quoted(arg))].join(' ')}${background ? ' &' : ''}`)
  }

  /** What a command has printed. */
  output(text: string): void {
    for (const line of this.#shortened(text).trimEnd().split('\n')) console.log(wrap(line).join('\n'))
  }

  #shortened(text: string): string {
    const longestFirst = [...this.#names].toSorted(([a], [b]) => b.length - a.length)
    return longestFirst.reduce((left, [value, name]) => left.replaceAll(value, name), text)
  }

  #quoted(arg: string): string {
    const short = this.#shortened(arg)
    return /^[\w@./,:=-]+$/.test(short) ? short : `"${short}"`
  }
}

/** A line as lines of at most OUTPUT_WIDTH_MAX characters, where its words allow it. */
function wrap(line: string): string[] {
  const lines: string[] = []
  let rest = line
  while (rest.length > OUTPUT_WIDTH_MAX) {
    const end = rest.lastIndexOf(' ', OUTPUT_WIDTH_MAX)
    if (end <= 0) break
    lines.push(rest.slice(0, end))
    rest = rest.slice(end + 1)
  }
  return [...lines, rest].map((part, i) => `    ${i === 0 ? '' : '  '}${part}`)
}
