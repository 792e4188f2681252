#!/usr/bin/env node
// The command `coppice`. Written so that Node 12 still parses it: on an old Node it must say so, and not fail on syntax.
// It has no static import and no `import.meta` for the same reason.

var NEEDED = [22, 18]

function isOldNode() {
  var parts = process.versions.node.split('.').map(Number)
  return parts[0] < NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] < NEEDED[1])
}

// A checkout has the sources beside this file, an installed package does not (see "files" in package.json). Sources win, so that
// a dist of yesterday never hides them; under node_modules they could not run, because Node strips types only outside of it.
function chooseEntry(fs, url) {
  var sources = new URL('../src/cli/main.ts', url)
  return fs.existsSync(sources) && !/[\\/]node_modules[\\/]/.test(sources.pathname)
    ? '../src/cli/main.ts'
    : '../dist/cli/main.js'
}

// Node 22 announces on standard error that type stripping is experimental; that is our choice and not the user's concern.
function silenceTypeStripping() {
  var emitWarning = process.emitWarning
  process.emitWarning = function (warning, type) {
    if (type === 'ExperimentalWarning' && /type stripping/i.test(String(warning))) return
    emitWarning.apply(process, arguments)
  }
}

if (isOldNode()) {
  var current = process.versions.node + ' at ' + process.execPath
  console.error('coppice needs Node.js ' + NEEDED.join('.') + ' or newer, and this is ' + current)
  process.exitCode = 2
} else {
  Promise.all([import('fs'), import('url'), import('module')])
    .then(function (modules) {
      // Compiled code is kept from run to run: a command starts in a third of the time.
      modules[2].enableCompileCache()
      var realPath = modules[0].realpathSync(process.argv[1])
      silenceTypeStripping()
      return import(chooseEntry(modules[0], modules[1].pathToFileURL(realPath)))
    })
    .then(function (cli) {
      return cli.main(process.argv.slice(2))
    })
    .then(function (exitCode) {
      if (typeof exitCode === 'number') process.exitCode = exitCode
    })
    .catch(function (error) {
      console.error(error)
      process.exitCode = 2
    })
}
