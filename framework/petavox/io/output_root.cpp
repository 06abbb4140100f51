#include "petavox/io/output_root.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/io/beneath.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox {
namespace {

constexpr std::string_view temporary_prefix = ".tmp-";
constexpr std::size_t max_name_bytes = 1024, max_part_bytes = 255;
constexpr int max_tree_depth = 64;

[[noreturn]] void refuse_name(std::string_view name, const char* problem) {
  std::string shown{name.substr(0, 80)};
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  throw Error{ErrorCode::io, "the file name \"" + shown + "\" " + problem +
                                 " (files of a run stay inside its directory); use a plain relative name"};
}

std::string unique_suffix() {
  static std::atomic<std::uint64_t> counter{0};
  std::array<std::uint64_t, 2> random{};
  if (::getrandom(random.data(), sizeof random, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof random)) {
    // Early at boot there may be no entropy: time and process id do, as the name is made with O_EXCL.
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    random = {mix64(static_cast<std::uint64_t>(now)), mix64(static_cast<std::uint64_t>(::getpid()))};
  }
  random[0] += counter.fetch_add(1, std::memory_order_relaxed);
  return to_hex(random[0]) + to_hex(random[1]);
}

/// fsync of a directory. Some file systems know no such thing and say EINVAL: there it is not needed.
void sync_directory_file(const File& directory) {
  while (::fsync(directory.descriptor()) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL || errno == ENOTSUP) return;
    throw system_error("make durable", directory.path(), errno);
  }
}

std::string parent_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string{} : std::string{name.substr(0, slash)};
}

std::string leaf_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return std::string{slash == std::string_view::npos ? name : name.substr(slash + 1)};
}

std::vector<std::string> entries_of(const File& directory) {
  // fdopendir takes the descriptor over, so it gets one of its own.
  const int fd = ::openat(directory.descriptor(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw system_error("list", directory.path(), errno);
  DIR* stream = ::fdopendir(fd);
  if (stream == nullptr) {
    const int error = errno;
    ::close(fd);
    throw system_error("list", directory.path(), error);
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr) break;
    const std::string_view name{entry->d_name};
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int error = errno;
  ::closedir(stream);
  if (error != 0) throw system_error("list", directory.path(), error);
  std::sort(names.begin(), names.end());
  return names;
}

void remove_all_in(const File& directory, int depth) {
  if (depth > max_tree_depth)
    throw Error{ErrorCode::io, directory.path() +
                                   " is too deep to be removed (no run makes such a tree); "
                                   "remove it by hand"};
  for (const std::string& name : entries_of(directory)) {
    if (::unlinkat(directory.descriptor(), name.c_str(), 0) == 0 || errno == ENOENT) continue;
    const std::string path = directory.path() + "/" + name;
    if (errno != EISDIR && errno != EPERM) throw system_error("remove", path, errno);
    const int fd =
        ::openat(directory.descriptor(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) throw system_error("remove", path, errno);
    remove_all_in(File{fd, path}, depth + 1);
    if (::unlinkat(directory.descriptor(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      throw system_error("remove", path, errno);
  }
}

/// Gives the file a second name that must not exist, and takes the first one away. False if it is taken.
bool move_into_place(const File& directory, const std::string& from, const std::string& to) {
  const int fd = directory.descriptor();
  const std::string path = directory.path() + "/" + to;
  const int error = ::linkat(fd, from.c_str(), fd, to.c_str(), 0) == 0 ? 0 : errno;
  if (error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK) {
    if (::renameat2(fd, from.c_str(), fd, to.c_str(), RENAME_NOREPLACE) != 0) {
      if (errno == EEXIST) return false;
      if (errno == EINVAL || errno == ENOSYS)
        throw Error{ErrorCode::io, "cannot publish " + path +
                                       " (the file system has neither hard links nor a rename that keeps "
                                       "existing files); choose an output directory on another one"};
      throw system_error("publish", path, errno);
    }
    sync_directory_file(directory);
    return true;
  }
  if (error != 0 && error != EEXIST) throw system_error("publish", path, error);
  // The answer of a network file system may be that of a repeated request: two names of one file tell.
  struct stat ours {
  }, theirs{};
  if (::fstatat(fd, from.c_str(), &ours, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fstatat(fd, to.c_str(), &theirs, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("publish", path, errno);
  if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev || ours.st_nlink < 2) return false;
  if (::unlinkat(fd, from.c_str(), 0) != 0 && errno != ENOENT)
    throw system_error("remove the temporary name of", path, errno);
  sync_directory_file(directory);
  return true;
}

}  // namespace

void check_relative_name(std::string_view name) {
  if (name.empty()) refuse_name(name, "is empty");
  if (name.find('\0') != std::string_view::npos) refuse_name(name, "holds a NUL");
  if (name.front() == '/') refuse_name(name, "is absolute");
  if (name.size() > max_name_bytes) refuse_name(name, "is too long");
  for (std::string_view rest = name;;) {
    const auto slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == ".") refuse_name(name, "has an empty part");
    if (part == "..") refuse_name(name, "leads upwards");
    if (part.size() > max_part_bytes) refuse_name(name, "has a part that is too long");
    if (slash == std::string_view::npos) return;
    rest.remove_prefix(slash + 1);
  }
}

struct OutputRoot::State {
  std::string path;
  File directory;
  detail::Resolver resolver;

  std::string full(std::string_view name) const {
    return name.empty() ? path : path + "/" + std::string{name};
  }
  /// An invalid File if it does not exist.
  File find_directory(std::string_view name) const {
    if (!name.empty()) check_relative_name(name);
    return detail::open_directory_beneath(directory.descriptor(), name, full(name), resolver);
  }
  File open_directory(std::string_view name) const {
    File found = find_directory(name);
    if (!found.is_open()) throw system_error("open", full(name), ENOENT);
    return found;
  }
  /// The directory of a file.
  File parent(std::string_view name) const {
    check_relative_name(name);
    return open_directory(parent_of(name));
  }
  /// An invalid File if there is none of that name and `flags` do not create it.
  File open_file(std::string_view name, int flags) const {
    check_relative_name(name);
    const File at = find_directory(parent_of(name));
    if (!at.is_open()) {
      if ((flags & O_CREAT) != 0) throw system_error("create", full(name), ENOENT);
      return {};
    }
    // O_NONBLOCK: opening a FIFO must not wait for its other end. It means nothing to regular files.
    int fd;
    do {
      fd =
          ::openat(at.descriptor(), leaf_of(name).c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
      if (errno == ENOENT && (flags & O_CREAT) == 0) return {};
      throw system_error((flags & O_CREAT) != 0 ? "create" : "open", full(name), errno);
    }
    File file{fd, full(name)};
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw system_error("examine", file.path(), errno);
    if (!S_ISREG(status.st_mode))
      throw Error{ErrorCode::io, file.path() +
                                     " is not a regular file (reading it could block or do harm); "
                                     "remove it"};
    return file;
  }
};

OutputRoot OutputRoot::create(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (::mkdir(prefix.c_str(), 0777) != 0 && errno != EEXIST && errno != EISDIR) {
      // A parent may exist and yet refuse mkdir (read-only, no permission): what counts is the next part.
      const int error = errno;
      struct stat status {};
      if (::stat(prefix.c_str(), &status) != 0) throw system_error("create the directory", prefix, error);
    }
    if (end == std::string::npos) break;
  }
  return open(path);
}

OutputRoot OutputRoot::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw system_error("open the directory", path, errno);
  return OutputRoot{std::make_shared<const State>(State{path, File{fd, path}, detail::best_resolver()})};
}

const std::string& OutputRoot::path() const { return state_->path; }

std::string OutputRoot::path_of(std::string_view name) const {
  (void)state_->parent(name);
  return state_->full(name);
}

File OutputRoot::create_new(std::string_view name) const {
  return state_->open_file(name, O_RDWR | O_CREAT | O_EXCL);
}

File OutputRoot::open_or_create(std::string_view name) const {
  return state_->open_file(name, O_RDWR | O_CREAT);
}

File OutputRoot::open_for_reading(std::string_view name) const {
  File file = state_->open_file(name, O_RDONLY);
  if (!file.is_open()) throw system_error("open", state_->full(name), ENOENT);
  return file;
}

std::optional<File> OutputRoot::find_for_reading(std::string_view name) const {
  File file = state_->open_file(name, O_RDONLY);
  if (!file.is_open()) return std::nullopt;
  return file;
}

Bytes OutputRoot::read_file(std::string_view name, std::uint64_t max_bytes) const {
  const File file = open_for_reading(name);
  const std::uint64_t size = file.size_bytes();
  if (size > max_bytes)
    throw Error{ErrorCode::resource, file.path() + " has " + std::to_string(size) + " bytes, more than " +
                                         std::to_string(max_bytes) +
                                         " (no such file of a run is that large); check the file"};
  Bytes bytes(static_cast<std::size_t>(size));
  file.read_exact_at(bytes, 0);
  return bytes;
}

bool OutputRoot::exists(std::string_view name) const {
  check_relative_name(name);
  const File at = state_->find_directory(parent_of(name));
  if (!at.is_open()) return false;
  struct stat status {};
  if (::fstatat(at.descriptor(), leaf_of(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  throw system_error("examine", state_->full(name), errno);
}

void OutputRoot::make_directories(std::string_view name) const {
  check_relative_name(name);
  for (std::size_t end = name.find('/');; end = name.find('/', end + 1)) {
    const std::string_view prefix = name.substr(0, end);
    if (!state_->find_directory(prefix).is_open()) {
      const File at = state_->parent(prefix);
      if (::mkdirat(at.descriptor(), leaf_of(prefix).c_str(), 0777) != 0 && errno != EEXIST)
        throw system_error("create the directory", state_->full(prefix), errno);
      sync_directory_file(at);
    }
    if (end == std::string_view::npos) break;
  }
  (void)state_->open_directory(name);
}

std::vector<std::string> OutputRoot::list(std::string_view directory) const {
  const File at = state_->find_directory(directory);
  if (!at.is_open()) return {};
  std::vector<std::string> names = entries_of(at);
  std::erase_if(names, [](const std::string& n) { return n.starts_with(temporary_prefix); });
  return names;
}

bool OutputRoot::remove(std::string_view name) const {
  check_relative_name(name);
  const File at = state_->find_directory(parent_of(name));
  if (!at.is_open()) return false;
  if (::unlinkat(at.descriptor(), leaf_of(name).c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw system_error("remove", state_->full(name), errno);
}

bool OutputRoot::remove_tree(std::string_view name) const {
  check_relative_name(name);
  const File at = state_->find_directory(parent_of(name));
  if (!at.is_open()) return false;
  const int fd =
      ::openat(at.descriptor(), leaf_of(name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ENOENT) return false;
    throw system_error("remove", state_->full(name), errno);
  }
  remove_all_in(File{fd, state_->full(name)}, 0);
  if (::unlinkat(at.descriptor(), leaf_of(name).c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    throw system_error("remove", state_->full(name), errno);
  return true;
}

void OutputRoot::remove_temporaries(std::string_view directory) const {
  const File at = state_->find_directory(directory);
  if (!at.is_open()) return;
  for (const std::string& name : entries_of(at))
    if (name.starts_with(temporary_prefix) && ::unlinkat(at.descriptor(), name.c_str(), 0) != 0 &&
        errno != ENOENT)
      throw system_error("remove", at.path() + "/" + name, errno);
}

void OutputRoot::sync_directory(std::string_view directory) const {
  sync_directory_file(state_->open_directory(directory));
}

std::string OutputRoot::temporary_name(std::string_view name) const {
  const std::string directory = parent_of(name);
  return (directory.empty() ? "" : directory + "/") + std::string{temporary_prefix} + unique_suffix();
}

bool OutputRoot::try_publish_written(std::string_view temporary, std::string_view name) const {
  check_relative_name(temporary);
  if (parent_of(temporary) != parent_of(name))
    throw Error{ErrorCode::internal,
                "a file was to be published from another directory (a bug in petavox); "
                "please report it"};
  return move_into_place(state_->parent(name), leaf_of(temporary), leaf_of(name));
}

bool OutputRoot::try_publish(std::string_view name, const std::function<void(File&)>& write) const {
  check_relative_name(name);
  const std::string temporary = temporary_name(name);
  try {
    File file = create_new(temporary);
    write(file);
    file.sync();
    file.close();
    if (try_publish_written(temporary, name)) return true;
  } catch (...) {
    discard(temporary);
    throw;
  }
  discard(temporary);
  return false;
}

bool OutputRoot::try_publish(std::string_view name, std::span<const std::byte> bytes) const {
  return try_publish(name, [&](File& file) { file.write_all(bytes); });
}

void OutputRoot::publish_file(std::string_view name, const std::function<void(File&)>& write) const {
  if (!try_publish(name, write)) throw system_error("publish", state_->full(name), EEXIST);
}

void OutputRoot::publish_file(std::string_view name, std::span<const std::byte> bytes) const {
  publish_file(name, [&](File& file) { file.write_all(bytes); });
}

void OutputRoot::atomically_replace(std::string_view name, std::span<const std::byte> bytes) const {
  check_relative_name(name);
  const std::string temporary = temporary_name(name);
  try {
    File file = create_new(temporary);
    file.write_all(bytes);
    file.sync();
    file.close();
    const File at = state_->parent(name);
    if (::renameat(at.descriptor(), leaf_of(temporary).c_str(), at.descriptor(), leaf_of(name).c_str()) != 0)
      throw system_error("replace", state_->full(name), errno);
    sync_directory_file(at);
  } catch (...) {
    discard(temporary);
    throw;
  }
}

void OutputRoot::discard(std::string_view temporary) const noexcept {
  try {
    (void)remove(temporary);
  } catch (...) {
    // The error that led here is the one to report; remove_temporaries() finds what is left.
  }
}

}  // namespace petavox
