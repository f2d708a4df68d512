{
  "variables": {
    # The directory of static libpcap, zlib and zstd, which the addons of the package contain (scripts/release); empty: the
    # system's shared libpcap, and what the system has of the others when a file needs it.
    "static_libraries": "<!(node -p \"process.env.RINGTAP_STATIC || ''\")",
    # Turns warnings into errors, as in CI; not for users, whose newer compilers may emit more warnings.
    "werror": "<!(node -p \"process.env.RINGTAP_WERROR || ''\")",
    # The half that needs no Linux (docs/architecture.md): all there is on other systems; on Linux, for tests of it alone.
    "portable": "<!(node -p \"process.platform === 'linux' ? process.env.RINGTAP_PORTABLE || '' : '1'\")"
  },
  "targets": [
    {
      "target_name": "ringtap",
      # scripts/release/stage.mjs rewrites these paths for the package, where this file is in native/.
      "sources": ["<!@(node native/units.mjs sources.txt)"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "conditions": [
        ["portable == ''", {
          "sources": ["<!@(node native/units.mjs sources-linux.txt)"]
        }, { "defines": ["RINGTAP_PORTABLE"] }],
        ["OS == 'mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "CLANG_CXX_LIBRARY": "libc++",
            "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
            "GCC_OPTIMIZATION_LEVEL": "2",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0"
          }
        }, { "ldflags": ["-Wl,-z,now"] }],
        ["static_libraries != ''", {
          "include_dirs": ["<(static_libraries)/include"],
          "defines": ["RINGTAP_CODECS_LINKED"],
          "cflags": ["-ffunction-sections", "-fdata-sections", "-ffile-prefix-map=<(module_root_dir)/="],
          "ldflags": ["-s", "-Wl,--gc-sections", "-Wl,--version-script=<(module_root_dir)/scripts/release/exports.map"],
          "libraries": ["<(static_libraries)/lib/libpcap.a", "<(static_libraries)/lib/libz.a", "<(static_libraries)/lib/libzstd.a"]
        }, { "libraries": ["-lpcap"] }],
        ["werror != ''", { "cflags_cc": ["-Werror"] }]
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-O2"]
    }
  ]
}
