#include "petavox/io/output_root.hpp"

#include "petavox/io/output_root_state.hpp"

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox {

using detail::leaf_of, detail::parent_of, detail::sync_directory_file, detail::temporary_prefix;

namespace {

constexpr std::size_t max_name_bytes = 1024, max_part_bytes = 255;
constexpr int max_tree_depth = 64;

[[noreturn]] void refuse_name(std::string_view name, const char* problem) {
  std::string shown{name.substr(0, 80)};
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  throw Error{ErrorCode::io, "the file name \"" + shown + "\" " + problem +
                                 " (files of a run stay inside its directory); use a plain relative name"};
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
  File file = state_->open_file(name, O_RDWR | O_CREAT);
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) throw system_error("examine", file.path(), errno);
  if (status.st_nlink > 1)
    throw Error{ErrorCode::io,
                file.path() +
                    " has another name too, which may be anywhere (what is written here would appear there); "
                    "remove it"};
  return file;
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

}  // namespace petavox
