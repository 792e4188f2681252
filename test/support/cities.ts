/** A small published database of cities, made and changed by commands. */
import { succeed, succeedJson } from './command-line.ts'

export const CITIES: string = `{"id":1,"name":"Amsterdam","size":1}\n{"id":2,"name":"Paris","size":2}\n{"id":3,"name":"Berlin","size":3}\n`

export async function prepare(cwd: string): Promise<void> {
  await succeed(['init', 'up', '--name', 'cities'], { cwd })
  await succeed(['import', 'up', '-', '--collection', 'cities', '--key', 'id'], { cwd, input: CITIES })
  await succeed(['publish', 'up', '-m', 'first'], { cwd })
}

export async function put(cwd: string, dir: string, ...documents: object[]): Promise<void> {
  for (const each of documents) await succeed(['put', dir, 'cities', JSON.stringify(each)], { cwd })
}

export async function rootOf(cwd: string, dir: string): Promise<unknown> {
  return (await succeedJson(['status', dir], { cwd }))['root']
}
