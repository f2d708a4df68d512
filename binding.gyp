{
  "variables": {
    # The output directory of scripts/static-libpcap; empty: the system's shared library.
    "static_pcap": "<!(node -p \"process.env.RINGTAP_STATIC_PCAP || ''\")",
    # Turns warnings into errors, as in CI; not for users, whose newer compilers may emit more warnings.
    "werror": "<!(node -p \"process.env.RINGTAP_WERROR || ''\")"
  },
  "targets": [
    {
      "target_name": "ringtap",
      # scripts/release/stage.mjs rewrites this line and the next for the package, where this file is in native/.
      "sources": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt','utf8').trim()\")"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "conditions": [
        ["static_pcap != ''", {
          "include_dirs": ["<(static_pcap)/include"],
          "libraries": ["<(static_pcap)/lib/libpcap.a", "-Wl,--exclude-libs,ALL"]
        }, { "libraries": ["-lpcap"] }],
        ["werror != ''", { "cflags_cc": ["-Werror"] }]
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-O2"],
      "ldflags": ["-Wl,-z,now"]
    }
  ]
}
