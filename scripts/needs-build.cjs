// For binding.gyp: prints "no" if the package contains a prebuilt addon for this platform, so that a package manager
// that runs node-gyp by default compiles nothing. prebuildify (PREBUILD_ARCH), build-native.mjs (RINGTAP_FORCE_BUILD)
// and npm's --build-from-source force a build.
const forced =
  process.env.RINGTAP_FORCE_BUILD || process.env.PREBUILD_ARCH || process.env.npm_config_build_from_source === 'true'

process.env.PREBUILDS_ONLY = '1'
let found = false
try {
  found = Boolean(require('node-gyp-build').resolve(require('node:path').join(__dirname, '..')))
} catch {
  // No prebuilt addon: the usual case in the source tree.
}
console.log(found && !forced ? 'no' : 'yes')
