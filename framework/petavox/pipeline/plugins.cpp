#include "petavox/pipeline/plugins.hpp"

#include "petavox/isolation/isolated_stage.hpp"
#include "petavox/pipeline/sha256.hpp"
#include "petavox/stage/plugin.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <ranges>
#include <span>

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox {
namespace {

namespace fs = std::filesystem;

constexpr const char* abi_symbol = "petavox_plugin_abi";
constexpr const char* register_symbol = "petavox_plugin_register";

#if defined(__x86_64__)
constexpr unsigned this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned this_machine = EM_AARCH64;
#elif defined(__powerpc64__)
constexpr unsigned this_machine = EM_PPC64;
#elif defined(__riscv)
constexpr unsigned this_machine = EM_RISCV;
#else
#error "add this machine's ELF number"
#endif

[[noreturn]] void refuse(const fs::path& file, const std::string& problem, const std::string& why,
                         const std::string& what_to_do) {
  throw Error{ErrorCode::config,
              "plugin " + file.string() + ": " + problem + " (" + why + "); " + what_to_do};
}

class File {
 public:
  explicit File(const fs::path& path) : path_{path}, fd_{::open(path.c_str(), O_RDONLY | O_CLOEXEC)} {
    if (fd_ < 0 || ::fstat(fd_, &info_) != 0)
      refuse(path, std::string{"cannot be read: "} + std::strerror(errno), "its stages are needed",
             "check the path and the permissions");
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  template <class T>
  std::vector<T> read(std::uint64_t offset, std::uint64_t count) const {
    if (offset > size() || count > (size() - offset) / sizeof(T)) damaged();
    std::vector<T> items(count);
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span{items});
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t got =
          ::pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) damaged();
      done += static_cast<std::size_t>(got);
    }
    return items;
  }
  std::uint64_t size() const { return static_cast<std::uint64_t>(info_.st_size); }
  const struct stat& info() const { return info_; }
  /// This very file, whatever its path means by now; as long as it is open.
  std::string name_of_descriptor() const { return "/proc/self/fd/" + std::to_string(fd_); }
  [[noreturn]] void damaged() const {
    refuse(path_, "is damaged or truncated", "loading it could do anything", "build it again");
  }

 private:
  fs::path path_;
  int fd_;
  struct stat info_ {};
};

struct stat info_of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0)
    refuse(file, std::string{"cannot be read: "} + std::strerror(errno), "its stages are needed",
           "check the path and the permissions");
  return info;
}

void check_ownership(const fs::path& file, const struct stat& info) {
  if (!S_ISREG(info.st_mode))
    refuse(file, "is not a regular file", "only a shared library can be loaded", "name the .so file");
  if ((info.st_mode & S_IWOTH) != 0)
    refuse(file, "may be written by everybody", "loading it runs code that anybody could have put there",
           "chmod o-w it");
  struct stat dir {};
  const fs::path parent = file.parent_path();
  if (::stat(parent.c_str(), &dir) != 0 || (dir.st_mode & S_IWOTH) == 0) return;
  // In a sticky directory (/tmp) nobody can replace the file of another user.
  const bool trusted = info.st_uid == ::geteuid() || info.st_uid == 0;
  if ((dir.st_mode & S_ISVTX) == 0 || !trusted)
    refuse(file, "is in a directory that everybody may write",
           "loading it runs code that anybody could have put "
           "there",
           "chmod o-w " + parent.string() + " or move the file");
}

void check_elf(const File& file, const fs::path& path) {
  if (file.size() < sizeof(Elf64_Ehdr) ||
      std::memcmp(file.read<unsigned char>(0, SELFMAG).data(), ELFMAG, SELFMAG) != 0)
    refuse(path, "is not a shared library", "it does not begin as an ELF file does", "name the .so file");
  const Elf64_Ehdr header = file.read<Elf64_Ehdr>(0, 1).front();
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != this_machine)
    refuse(path, "is for another kind of machine", "it cannot run here", "build it on this machine");
  if (header.e_type != ET_DYN)
    refuse(path, "is an ELF file but not a shared library", "it cannot be loaded",
           "build it with petavox_add_stage_plugin()");
  if (header.e_shentsize != sizeof(Elf64_Shdr)) file.damaged();
  const auto sections = file.read<Elf64_Shdr>(header.e_shoff, header.e_shnum);
  bool has_abi = false, has_register = false;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_DYNSYM) continue;
    if (section.sh_link >= sections.size()) file.damaged();
    const Elf64_Shdr& text = sections[section.sh_link];
    const auto names = file.read<char>(text.sh_offset, text.sh_size);
    for (const Elf64_Sym& symbol :
         file.read<Elf64_Sym>(section.sh_offset, section.sh_size / sizeof(Elf64_Sym))) {
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names.size()) continue;
      const char* first = names.data() + symbol.st_name;
      const std::string_view name{first, ::strnlen(first, names.size() - symbol.st_name)};
      has_abi = has_abi || name == abi_symbol;
      has_register = has_register || name == register_symbol;
    }
  }
  if (!has_abi || !has_register)
    refuse(path, std::string{"does not export "} + (has_abi ? register_symbol : abi_symbol),
           "it is not a petavox plugin", "end its source with PETAVOX_STAGE_PLUGIN(YourStage)");
}

template <class Function>
Function symbol(void* library, const char* name, const fs::path& path) {
  void* found = ::dlsym(library, name);
  if (found == nullptr)
    refuse(path, std::string{"does not export "} + name, "it is not a petavox plugin",
           "end its source with PETAVOX_STAGE_PLUGIN(YourStage)");
  return reinterpret_cast<Function>(found);
}

// Named twice, on the command line and in the configuration: once is enough.
bool is_loaded(const fs::path& real, const StageRegistry& registry) {
  for (const auto& [name, type] : registry.types())
    if (type.origin == real.string()) return true;
  return false;
}

// What ends a helper while it loads would have ended this process.
template <class Load>
void in_helper(const fs::path& real, Load load) {
  try {
    load();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::stage) throw;
    refuse(real, std::string{"cannot be loaded: "} + error.what(), "its constructors run when it is loaded",
           "run them in a program of your own to find the fault");
  }
}

/// A file that was found to be what it must be.
struct CheckedFile {
  fs::path real;
  std::unique_ptr<File> content;
};

CheckedFile open_checked(const fs::path& file, const std::string& sha256) {
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  if (error)
    refuse(file, "does not exist or cannot be reached: " + error.message(), "its stages are needed",
           "check the path");
  check_ownership(real, info_of(real));  // opening a pipe would wait for its writer
  CheckedFile checked{real, std::make_unique<File>(real)};
  const File& content = *checked.content;
  check_ownership(real, content.info());
  check_elf(content, real);
  if (sha256.empty()) return checked;
  Sha256 sum;
  constexpr std::uint64_t piece = 1 << 20;
  for (std::uint64_t at = 0; at < content.size(); at += piece) {
    const auto bytes = content.read<std::byte>(at, std::min(piece, content.size() - at));
    sum.add(bytes);
  }
  if (const std::string found = sum.hex(); found != sha256)
    refuse(real, "has the SHA-256 digest " + found + ", not " + sha256, "it is not the file that was meant",
           "build or fetch that one, or correct plugins[].sha256");
  return checked;
}

// With a digest it is loaded by the descriptor that was read: whoever may replace the file cannot do so
// between the two. Then it stays open, as the loader knows a library by its name. Without, by its path, which
// the loader puts in the place of $ORIGIN.
void* open_library(CheckedFile file, bool by_descriptor) {
  if (!by_descriptor) return ::dlopen(file.real.c_str(), RTLD_NOW | RTLD_LOCAL);
  static std::vector<std::unique_ptr<File>> loaded;
  loaded.push_back(std::move(file.content));
  return ::dlopen(loaded.back()->name_of_descriptor().c_str(), RTLD_NOW | RTLD_LOCAL);
}

}  // namespace

void check_plugin_file(const fs::path& file, const std::string& sha256) { open_checked(file, sha256); }

std::vector<std::string> load_plugin(const PluginSpec& plugin, StageRegistry& registry,
                                     isolation::HelperPool* helpers) {
  CheckedFile file = open_checked(plugin.file, plugin.sha256);
  const fs::path real = file.real;
  if (is_loaded(real, registry)) return {};
  if (helpers != nullptr) {
    helpers->require(real, plugin.sha256);
    in_helper(real, [&] { helpers->probe(real); });
  }

  void* library = open_library(std::move(file), !plugin.sha256.empty());
  if (library == nullptr)
    refuse(real, std::string{"cannot be loaded: "} + ::dlerror(), "it was built for other libraries",
           "build it again against the installed petavox");
  const int abi = symbol<int (*)()>(library, abi_symbol, real)();
  if (abi != PETAVOX_PLUGIN_ABI)
    refuse(
        real,
        "has plugin ABI " + std::to_string(abi) + ", this program has " + std::to_string(PETAVOX_PLUGIN_ABI),
        "data would be misread", "build it again against the installed petavox");
  StageRegistry own;
  symbol<void (*)(StageRegistry&)>(library, register_symbol, real)(own);
  if (own.types().empty())
    refuse(real, "holds no stage", "loading it has no effect", "name the stages in PETAVOX_STAGE_PLUGIN(…)");
  for (StageType type : own.types() | std::views::values) {
    type.origin = real.string();
    registry.add(std::move(type));
  }
  return own.names();
}

std::vector<std::string> isolate_plugin(const PluginSpec& plugin, StageRegistry& registry,
                                        const std::shared_ptr<isolation::HelperPool>& helpers) {
  const fs::path real = open_checked(plugin.file, plugin.sha256).real;
  if (is_loaded(real, registry)) return {};
  helpers->require(real, plugin.sha256);
  std::vector<std::string> names;
  in_helper(real, [&] {
    for (StageType& type : isolation::isolated_types(real, helpers)) {
      names.push_back(type.name);
      registry.add(std::move(type));
    }
  });
  return names;
}

}  // namespace petavox
