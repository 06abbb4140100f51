#include "petavox/stage/small_file.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

[[noreturn]] void fail(const std::string& text) { throw Error{ErrorCode::io, text}; }

std::string reason() { return std::system_category().message(errno); }

}  // namespace

Bytes read_small_file(const std::string& path, std::uint64_t max_bytes) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) fail("cannot open " + path + " (" + reason() + "); check the path");
  struct stat status {};
  if (::fstat(file.number, &status) != 0)
    fail("cannot inspect " + path + " (" + reason() + "); check the path");
  if (!S_ISREG(status.st_mode))
    fail(path + " is not a regular file (its size would be unknown); name a file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes)
    fail(path + " has " + std::to_string(size) + " bytes (at most " + std::to_string(max_bytes) +
         " are read); name the right file");
  Bytes bytes(size);
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t got = ::read(file.number, bytes.data() + at, bytes.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read " + path + " (" + reason() + "); check the file system");
    if (got == 0) fail(path + " was cut short while it was read (it is being written); run again");
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace petavox
