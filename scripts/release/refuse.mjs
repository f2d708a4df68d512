// The source tree is not what is published: `npm run release` makes the package, in release/.
console.error(
  'ringtap: the package is not made from the source tree. Use "npm run release", then "npm publish release/ringtap-VERSION.tgz".',
)
process.exitCode = 1
