#include "core/bpf/ebpf.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace ringtap {

namespace {

int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

bpf_attr blank() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);  // with padding: the kernel refuses nonzero bytes it does not use
  return attributes;
}

void name(char (&field)[BPF_OBJ_NAME_LEN], const char* text) { std::strncpy(field, text, sizeof field - 1); }

Result<UniqueFd> createMap(std::uint32_t type, std::uint32_t flags, std::uint32_t keySize, std::uint32_t valueSize,
                           std::uint32_t entries) {
  bpf_attr attributes = blank();
  attributes.map_type = type;
  attributes.key_size = keySize;
  attributes.value_size = valueSize;
  attributes.max_entries = entries;
  attributes.map_flags = flags;
  name(attributes.map_name, "ringtap");
  const int fd = bpf(BPF_MAP_CREATE, attributes);
  if (fd < 0) return Error::fromErrno("bpf", "an eBPF map could not be created");
  return UniqueFd(fd);
}

// `what`: the message if it fails. If the verifier refuses the program, the error has the end of its log too.
Result<UniqueFd> load(std::span<const bpf_insn> program, bpf_prog_type type, std::uint32_t attachType,
                      const char* what) {
  bpf_attr attributes = blank();
  attributes.prog_type = type;
  attributes.expected_attach_type = attachType;
  attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  attributes.license = reinterpret_cast<std::uintptr_t>("MIT");
  name(attributes.prog_name, "ringtap");
  int fd = bpf(BPF_PROG_LOAD, attributes);
  if (fd >= 0) return UniqueFd(fd);
  Error error = Error::fromErrno("bpf", what);
  // Load again with a log to get the reason: requesting the log at first would slow down every load.
  std::vector<char> log(std::size_t{64} << 10);
  attributes.log_level = 1;
  attributes.log_size = static_cast<std::uint32_t>(log.size());
  attributes.log_buf = reinterpret_cast<std::uintptr_t>(log.data());
  fd = bpf(BPF_PROG_LOAD, attributes);
  if (fd >= 0) return UniqueFd(fd);
  const std::size_t length = ::strnlen(log.data(), log.size());
  if (length > 0) error.message += "; verifier: " + std::string(log.data() + (length > 400 ? length - 400 : 0));
  return error;
}

}  // namespace

bool mayUseBpf() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) == 0) {
    const std::uint64_t effective = data[0].effective | std::uint64_t{data[1].effective} << 32;
    constexpr int kCapBpf = 39;  // CAP_BPF, Linux 5.8
    if ((effective >> kCapBpf & 1) != 0 || (effective >> CAP_SYS_ADMIN & 1) != 0) return true;
  }
  const UniqueFd setting(::open("/proc/sys/kernel/unprivileged_bpf_disabled", O_RDONLY | O_CLOEXEC));
  char value = '1';
  return setting && ::read(setting.get(), &value, 1) == 1 && value == '0';
}

Result<UniqueFd> createHashMap(std::uint32_t valueSize, std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, sizeof(std::uint32_t), valueSize, entries);
}

Result<MappedArray> createMappedArray(std::uint32_t valueSize, std::uint32_t entries) {
  auto map = createMap(BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, sizeof(std::uint32_t), valueSize, entries);
  if (!map) return std::move(map.error());
  const std::size_t stride = (std::size_t{valueSize} + 7) / 8 * 8;  // elem_size of array_map_alloc(), arraymap.c
  const std::size_t length = PageRange::wholePages(stride * entries);
  void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, map->get(), 0);
  if (memory == MAP_FAILED) return Error::fromErrno("mmap", "an eBPF array could not be mapped");
  return MappedArray{std::move(*map), PageRange(static_cast<std::byte*>(memory), length)};
}

Result<UniqueFd> createFullHashMap(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_HASH, 0, keySize, valueSize, entries);
}

Result<UniqueFd> createSparseHashMap(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, keySize, valueSize, entries);
}

Result<UniqueFd> createLruHashMap(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_LRU_HASH, 0, keySize, valueSize, entries);
}

Result<UniqueFd> createTrie(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, keySize, valueSize, entries);
}

Result<UniqueFd> createProcessorArray(std::uint32_t valueSize, std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_PERCPU_ARRAY, 0, sizeof(std::uint32_t), valueSize, entries);
}

Result<UniqueFd> createProgramArray(std::uint32_t entries) {
  return createMap(BPF_MAP_TYPE_PROG_ARRAY, 0, sizeof(std::uint32_t), sizeof(std::uint32_t), entries);
}

bool mapUpdate(int map, std::uint32_t key, const void* value) {
  bpf_attr attributes = blank();
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(&key);
  attributes.value = reinterpret_cast<std::uintptr_t>(value);
  attributes.flags = BPF_ANY;
  return bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0;
}

Result<> mapUpdateAll(int map, std::span<const std::uint8_t> keys, std::uint32_t keySize,
                      std::span<const std::uint32_t> values) {
  bpf_attr attributes = blank();
  attributes.batch.map_fd = static_cast<std::uint32_t>(map);
  attributes.batch.keys = reinterpret_cast<std::uintptr_t>(keys.data());
  attributes.batch.values = reinterpret_cast<std::uintptr_t>(values.data());
  attributes.batch.count = static_cast<std::uint32_t>(values.size());
  attributes.batch.elem_flags = BPF_ANY;
  if (bpf(BPF_MAP_UPDATE_BATCH, attributes) == 0) return {};
  // A kernel without batch updates fails with various errors, so after any error single updates are tried.
  for (std::size_t i = 0; i < values.size(); ++i) {
    attributes = blank();
    attributes.map_fd = static_cast<std::uint32_t>(map);
    attributes.key = reinterpret_cast<std::uintptr_t>(keys.data() + i * keySize);
    attributes.value = reinterpret_cast<std::uintptr_t>(&values[i]);
    attributes.flags = BPF_ANY;
    if (bpf(BPF_MAP_UPDATE_ELEM, attributes) != 0) return Error::fromErrno("bpf", "an eBPF map could not be filled");
  }
  return {};
}

bool mapLookup(int map, std::uint32_t key, void* value) {
  bpf_attr attributes = blank();
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(&key);
  attributes.value = reinterpret_cast<std::uintptr_t>(value);
  return bpf(BPF_MAP_LOOKUP_ELEM, attributes) == 0;
}

bool mapDelete(int map, std::uint32_t key) {
  bpf_attr attributes = blank();
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(&key);
  return bpf(BPF_MAP_DELETE_ELEM, attributes) == 0;
}

int mapUpdate(int map, std::span<const std::uint8_t> key, const void* value) {
  bpf_attr attributes = blank();
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(key.data());
  attributes.value = reinterpret_cast<std::uintptr_t>(value);
  attributes.flags = BPF_ANY;
  return bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0 ? 0 : errno;
}

int mapDelete(int map, std::span<const std::uint8_t> key) {
  bpf_attr attributes = blank();
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(key.data());
  return bpf(BPF_MAP_DELETE_ELEM, attributes) == 0 ? 0 : errno;
}

Result<UniqueFd> loadSocketFilter(std::span<const bpf_insn> program) {
  return load(program, BPF_PROG_TYPE_SOCKET_FILTER, 0, "the eBPF socket filter could not be loaded");
}

Result<UniqueFd> loadSocketWatcher(std::span<const bpf_insn> program) {
  return load(program, BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE,
              "the eBPF program that watches new sockets could not be loaded");
}

Result<UniqueFd> attachToGroup(int program, int cgroup) {
  bpf_attr attributes = blank();
  attributes.link_create.prog_fd = static_cast<std::uint32_t>(program);
  attributes.link_create.target_fd = static_cast<std::uint32_t>(cgroup);
  attributes.link_create.attach_type = BPF_CGROUP_INET_SOCK_CREATE;
  const int fd = bpf(BPF_LINK_CREATE, attributes);
  if (fd < 0) return Error::fromErrno("bpf", "an eBPF program could not be attached to a control group");
  return UniqueFd(fd);
}

Result<UniqueFd> createRing(std::uint32_t bytes) { return createMap(BPF_MAP_TYPE_RINGBUF, 0, 0, 0, bytes); }

}  // namespace ringtap
