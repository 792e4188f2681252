/** `export --car`, `import --car` and `clone --car`, as one uses them. */
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coppice, fail, succeed, succeedJson } from '../support/command-line.ts'
import { blocksOfCar } from '../support/car-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/archives')

function testIn(name: string, body: (dir: string) => Promise<void>): void {
  test(name, () => inDirectory(body))
}

const ROWS = Array.from({ length: 3000 }, (_, id) => `${JSON.stringify({ id, name: `town ${id}` })}\n`).join('')

async function published(dir: string): Promise<string> {
  await succeed(['init', join(dir, 'towns')])
  await succeed(['import', join(dir, 'towns'), '-', '--collection', 'towns', '--key', 'id'], { input: ROWS })
  await succeed(['publish', join(dir, 'towns'), '-m', 'first'])
  return String((await succeedJson(['status', join(dir, 'towns')]))['address'])
}

testIn('there and back: a clone from an archive, and an update by one', async (dir) => {
  const [towns, copy, first, second] = ['towns', 'copy', '1.car', '2.car'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ]
  const address = await published(dir)
  const written = await succeedJson(['export', towns, '--car', first])
  const bytes = await readFile(first)
  assert.equal([written['bytes'], written['sequence'], written['since']], [bytes.length, 1, null])
  assert.match(await succeed(['clone', address, copy, '--car', first]), /^cloned @1 bafy\w+\n/)
  assert.is(await succeed(['get', copy, 'towns', '17']), await succeed(['get', towns, 'towns', '17']))

  await succeed(['put', towns, 'towns', '{"id":17,"name":"moved"}'])
  await succeed(['publish', towns])
  const update = await succeedJson(['export', towns, '--car', second, '--since', '@1'])
  assert.ok(Number(update['bytes']) < bytes.length / 5)
  const imported = await succeedJson(['import', copy, '--car', second])
  const { blocks } = await blocksOfCar(await readFile(second))
  assert.equal(imported['archive'], {
    file: second,
    bytes: update['bytes'],
    written: blocks.length - 1,
    known: 0,
    foreign: 0,
  })
  assert.match(await succeed(['get', copy, 'towns', '17']), /moved/)
  assert.match(await succeed(['import', copy, '--car', first]), /^up to date at @2/)
})

testIn('through pipes, and of an earlier state', async (dir) => {
  const address = await published(dir)
  const towns = join(dir, 'towns')
  await succeed(['put', towns, 'towns', '{"id":17,"name":"moved"}'])
  await succeed(['publish', towns])
  const file = join(dir, 'old.car')
  const { root } = await succeedJson(['export', towns, '--car', file, '--at', '@1'])
  const copy = join(dir, 'copy')
  await succeed(['clone', address, copy, '--car', '-'], { input: await readFile(file) })
  assert.is((await succeedJson(['export', towns, '--car', join(dir, 'same.car'), '--at', String(root)]))['sequence'], 1)
  assert.equal(await readFile(join(dir, 'same.car')), await readFile(file))
  assert.match(await succeed(['status', copy]), new RegExp(`@1 ${String(root)}`))
})

testIn('what is no archive is refused by name, and nothing is left of the clone', async (dir) => {
  const address = await published(dir)
  const [towns, copy, file] = [join(dir, 'towns'), join(dir, 'copy'), join(dir, 'x.car')]
  await writeFile(file, 'no archive')
  assert.match(await fail('CAR_INVALID', ['clone', address, copy, '--car', file]), /x\.car: expected CAR/)
  await fail('NOT_A_DATABASE', ['status', copy])
  await succeed(['export', towns, '--car', file])
  await truncate(file, 20_000)
  await fail('CAR_INVALID', ['clone', address, copy, '--car', file])
  // Its signed root is accepted, and what was whole of it is kept: the next one goes on.
  await succeed(['export', towns, '--car', file])
  await succeed(['clone', address, copy, '--car', file])
  await fail('INPUT_NOT_FOUND', ['import', copy, '--car', join(dir, 'absent.car')])
  await fail('DATABASE_KIND', ['import', towns, '--car', file])
})

testIn('options that do not go together', async (dir) => {
  await published(dir)
  const towns = join(dir, 'towns')
  for (const args of [
    ['export', towns, 'file', '--car', 'x.car'],
    ['export', towns, '--car', 'x.car', '--raw'],
    ['export', towns, '--since', '@1'],
    ['import', towns, '--car', 'x.car', '--replace'],
  ]) {
    await fail('USAGE', args)
  }
  await succeed(['init', join(dir, 'empty')])
  await fail('ROOT_NOT_FOUND', ['export', join(dir, 'empty'), '--car', join(dir, 'x.car')])
  assert.is((await coppice(['export', towns, '--car', join(dir, 'none', 'x.car')])).status, 2)
})

test.run()
