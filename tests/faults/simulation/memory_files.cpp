#include "simulation/memory_files.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/hash.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace petavox::simulation {
namespace {

struct Node {
  explicit Node(bool is_directory) : directory{is_directory} {}
  bool directory;
  ino_t number = ++last_number;
  nlink_t num_names = 1;
  std::map<std::string, std::shared_ptr<Node>, std::less<>> entries;
  std::vector<std::byte> bytes;
  bool mapped = false;  ///< its bytes must stay where they are
  static inline ino_t last_number = 0;
};
using NodePtr = std::shared_ptr<Node>;

struct Open {
  NodePtr node;
  std::size_t position = 0;
};

struct Listing {
  std::vector<std::string> names;
  std::size_t next = 0;
  int descriptor = -1;
  dirent entry{};
};

/// Above all descriptors of the kernel.
constexpr int first_descriptor = 1 << 28;

const NodePtr root = std::make_shared<Node>(true);
std::vector<Open> open_files;  // without a node where it is closed
std::vector<int> closed;       // places in open_files
std::map<void*, NodePtr> mappings;
std::set<Listing*> listings;

int fail(int error) {
  errno = error;
  return -1;
}

bool is_ours(int descriptor) { return descriptor >= first_descriptor; }
bool is_ours(std::string_view path) {
  return path.starts_with(memory_root) &&
         (path.size() == memory_root.size() || path[memory_root.size()] == '/');
}
bool is_ours(int at, const char* path) { return path[0] == '/' ? is_ours(path) : is_ours(at); }

Open& file_of(int descriptor) {
  Open& file = open_files.at(static_cast<std::size_t>(descriptor - first_descriptor));
  PETAVOX_ASSERT(file.node != nullptr);
  return file;
}

int open_node(NodePtr node) {
  if (closed.empty()) {
    closed.push_back(static_cast<int>(open_files.size()));
    open_files.emplace_back();
  }
  const int place = closed.back();
  closed.pop_back();
  open_files[static_cast<std::size_t>(place)] = {std::move(node)};
  return first_descriptor + place;
}

/// A directory and a name in it, which need not be there.
struct Place {
  NodePtr directory;      ///< nothing if a directory on the way is missing, with errno
  std::string_view name;  ///< "": the directory itself
  NodePtr entry() const {
    const auto found = directory->entries.find(name);
    return found == directory->entries.end() ? nullptr : found->second;
  }
  NodePtr node() const { return name.empty() ? directory : entry(); }
};

Place place_of(int at, std::string_view path) {
  NodePtr directory = root;
  if (path.starts_with('/'))
    path.remove_prefix(std::min(path.size(), memory_root.size() + 1));
  else
    directory = file_of(at).node;
  while (true) {
    const auto slash = path.find('/');
    if (slash == std::string_view::npos) return {directory, path == "." ? std::string_view{} : path};
    const Place next{directory, path.substr(0, slash)};
    directory = next.entry();
    if (directory == nullptr || !directory->directory) {
      errno = directory == nullptr ? ENOENT : ENOTDIR;
      return {};
    }
    path.remove_prefix(slash + 1);
  }
}

int open_at(int at, const char* path, int flags) {
  const Place place = place_of(at, path);
  if (place.directory == nullptr) return -1;
  NodePtr node = place.node();
  if (node == nullptr) {
    if ((flags & O_CREAT) == 0) return fail(ENOENT);
    node = std::make_shared<Node>(false);
    place.directory->entries.emplace(place.name, node);
  } else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
    return fail(EEXIST);
  }
  if ((flags & O_DIRECTORY) != 0 && !node->directory) return fail(ENOTDIR);
  if (node->directory && (flags & O_ACCMODE) != O_RDONLY) return fail(EISDIR);
  return open_node(std::move(node));
}

void describe(const Node& node, struct stat& status) {
  status = {};
  status.st_ino = node.number;
  status.st_nlink = node.num_names;
  status.st_mode = node.directory ? S_IFDIR | 0755 : S_IFREG | 0644;
  status.st_size = static_cast<off_t>(node.bytes.size());
}

int stat_at(int at, const char* path, struct stat* status) {
  const Place place = place_of(at, path);
  if (place.directory == nullptr) return -1;
  const NodePtr node = place.node();
  if (node == nullptr) return fail(ENOENT);
  describe(*node, *status);
  return 0;
}

int make_directory(int at, const char* path) {
  const Place place = place_of(at, path);
  if (place.directory == nullptr) return -1;
  if (place.node() != nullptr) return fail(EEXIST);
  place.directory->entries.emplace(place.name, std::make_shared<Node>(true));
  return 0;
}

ssize_t write_at(Node& node, const void* bytes, std::size_t size, std::size_t offset) {
  if (offset + size > node.bytes.size()) {
    PETAVOX_ASSERT(!node.mapped);
    node.bytes.resize(offset + size);
  }
  std::memcpy(node.bytes.data() + offset, bytes, size);
  return static_cast<ssize_t>(size);
}

ssize_t read_at(const Node& node, void* into, std::size_t size, std::size_t offset) {
  const std::size_t some = std::min(size, node.bytes.size() - std::min(node.bytes.size(), offset));
  if (some > 0) std::memcpy(into, node.bytes.data() + offset, some);
  return static_cast<ssize_t>(some);
}

}  // namespace

void clear_memory_files() {
  PETAVOX_ASSERT(mappings.empty() && closed.size() == open_files.size());
  root->entries.clear();
}

}  // namespace petavox::simulation

using namespace petavox::simulation;

// The names are the linker's: a call of close() arrives at __wrap_close(), and __real_close() is libc's.
#define REPLACES(result, name, ...)  \
  result __real_##name(__VA_ARGS__); \
  result __wrap_##name(__VA_ARGS__); \
  result __wrap_##name(__VA_ARGS__)

extern "C" {

int __real_openat(int at, const char* path, int flags, ...);
int __wrap_openat(int at, const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...);
// The mode, which is there with O_CREAT alone.
static mode_t mode_of(int flags, std::va_list more) {
  return (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : mode_t{};
}
static int open_either(int at, const char* path, int flags, mode_t mode) {
  return is_ours(at, path) ? open_at(at, path, flags) : __real_openat(at, path, flags, mode);
}
int __wrap_openat(int at, const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_either(at, path, flags, mode);
}
int __wrap_open(const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_either(AT_FDCWD, path, flags, mode);
}
// openat2, which has no function of its own. Names from above the directory are refused before they come
// here.
long __real_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d) {
  if (number != SYS_openat2 || !is_ours(static_cast<int>(a))) return __real_syscall(number, a, b, c, d);
  return open_at(static_cast<int>(a), reinterpret_cast<const char*>(b), O_RDONLY | O_DIRECTORY);
}
REPLACES(int, close, int fd) {
  if (!is_ours(fd)) return __real_close(fd);
  file_of(fd) = {};
  closed.push_back(fd - first_descriptor);
  return 0;
}

REPLACES(ssize_t, write, int fd, const void* bytes, size_t size) {
  if (!is_ours(fd)) return __real_write(fd, bytes, size);
  Open& file = file_of(fd);
  file.position += size;
  return write_at(*file.node, bytes, size, file.position - size);
}
REPLACES(ssize_t, pwrite, int fd, const void* bytes, size_t size, off_t offset) {
  if (!is_ours(fd)) return __real_pwrite(fd, bytes, size, offset);
  return write_at(*file_of(fd).node, bytes, size, static_cast<std::size_t>(offset));
}
REPLACES(ssize_t, pread, int fd, void* into, size_t size, off_t offset) {
  if (!is_ours(fd)) return __real_pread(fd, into, size, offset);
  return read_at(*file_of(fd).node, into, size, static_cast<std::size_t>(offset));
}
REPLACES(int, ftruncate, int fd, off_t size) {
  if (!is_ours(fd)) return __real_ftruncate(fd, size);
  PETAVOX_ASSERT(!file_of(fd).node->mapped);
  file_of(fd).node->bytes.resize(static_cast<std::size_t>(size));
  return 0;
}
REPLACES(int, fsync, int fd) { return is_ours(fd) ? 0 : __real_fsync(fd); }
REPLACES(int, fdatasync, int fd) { return is_ours(fd) ? 0 : __real_fdatasync(fd); }

REPLACES(void*, mmap, void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  if (!is_ours(fd)) return __real_mmap(at, size, protection, flags, fd, offset);
  const NodePtr& node = file_of(fd).node;
  PETAVOX_ASSERT((flags & MAP_SHARED) != 0 && offset == 0 && size <= node->bytes.size());
  node->mapped = true;
  const bool first = mappings.emplace(node->bytes.data(), node).second;
  PETAVOX_ASSERT(first);
  return node->bytes.data();
}
REPLACES(int, munmap, void* at, size_t size) {
  const auto found = mappings.find(at);
  if (found == mappings.end()) return __real_munmap(at, size);
  found->second->mapped = false;
  mappings.erase(found);
  return 0;
}

REPLACES(int, fstat, int fd, struct stat* status) {
  if (!is_ours(fd)) return __real_fstat(fd, status);
  describe(*file_of(fd).node, *status);
  return 0;
}
REPLACES(int, fstatat, int at, const char* path, struct stat* status, int flags) {
  return is_ours(at, path) ? stat_at(at, path, status) : __real_fstatat(at, path, status, flags);
}
REPLACES(int, stat, const char* path, struct stat* status) {
  return is_ours(path) ? stat_at(AT_FDCWD, path, status) : __real_stat(path, status);
}

REPLACES(int, mkdirat, int at, const char* path, mode_t mode) {
  return is_ours(at, path) ? make_directory(at, path) : __real_mkdirat(at, path, mode);
}
REPLACES(int, mkdir, const char* path, mode_t mode) {
  return is_ours(path) ? make_directory(AT_FDCWD, path) : __real_mkdir(path, mode);
}
REPLACES(int, unlinkat, int at, const char* path, int flags) {
  if (!is_ours(at, path)) return __real_unlinkat(at, path, flags);
  const Place place = place_of(at, path);
  if (place.directory == nullptr) return -1;
  const NodePtr node = place.entry();
  if (node == nullptr) return fail(ENOENT);
  if (node->directory != ((flags & AT_REMOVEDIR) != 0)) return fail(node->directory ? EISDIR : ENOTDIR);
  if (!node->entries.empty()) return fail(ENOTEMPTY);
  place.directory->entries.erase(place.directory->entries.find(place.name));
  --node->num_names;
  return 0;
}
REPLACES(int, linkat, int from_at, const char* from, int to_at, const char* to, int flags) {
  if (!is_ours(from_at, from)) return __real_linkat(from_at, from, to_at, to, flags);
  const Place old = place_of(from_at, from), place = place_of(to_at, to);
  if (old.directory == nullptr || place.directory == nullptr) return -1;
  const NodePtr node = old.entry();
  if (node == nullptr) return fail(ENOENT);
  if (place.entry() != nullptr) return fail(EEXIST);
  place.directory->entries.emplace(place.name, node);
  ++node->num_names;
  return 0;
}
REPLACES(int, renameat, int from_at, const char* from, int to_at, const char* to) {
  if (!is_ours(from_at, from)) return __real_renameat(from_at, from, to_at, to);
  const Place old = place_of(from_at, from), place = place_of(to_at, to);
  if (old.directory == nullptr || place.directory == nullptr) return -1;
  const NodePtr node = old.entry();
  if (node == nullptr) return fail(ENOENT);
  if (const NodePtr before = place.entry(); before != nullptr) {
    if (before == node) return 0;
    --before->num_names;
  }
  old.directory->entries.erase(old.directory->entries.find(old.name));
  place.directory->entries.insert_or_assign(std::string{place.name}, node);
  return 0;
}

REPLACES(DIR*, fdopendir, int fd) {
  if (!is_ours(fd)) return __real_fdopendir(fd);
  auto* const listing = new Listing;
  listing->descriptor = fd;
  for (const auto& [name, node] : file_of(fd).node->entries) listing->names.push_back(name);
  listings.insert(listing);
  return reinterpret_cast<DIR*>(listing);
}
REPLACES(dirent*, readdir, DIR* stream) {
  auto* const listing = reinterpret_cast<Listing*>(stream);
  if (!listings.contains(listing)) return __real_readdir(stream);
  if (listing->next == listing->names.size()) return nullptr;
  const std::string& name = listing->names[listing->next++];
  std::memcpy(static_cast<char*>(listing->entry.d_name), name.c_str(), name.size() + 1);
  return &listing->entry;
}
REPLACES(int, closedir, DIR* stream) {
  auto* const listing = reinterpret_cast<Listing*>(stream);
  if (listings.erase(listing) == 0) return __real_closedir(stream);
  const int fd = listing->descriptor;
  delete listing;
  return __wrap_close(fd);
}

}  // extern "C"
