// Linked into a second petavox, petavox_unprotected: checksums that do not look at the bytes, and syncs that
// do nothing. Only for measuring what they cost (protection_bench.py). The environment may say which are left
// out: UNPROTECTED=checksums or UNPROTECTED=syncs; both without it.

// The other hashes as they are: this file takes the place of hash.cpp in the link.
#define checksum checksum_of_bytes
#include "petavox/base/hash.cpp"
#undef checksum

#include <cstdlib>
#include <string_view>

#include <sys/syscall.h>
#include <unistd.h>

namespace {

bool leaves_out(std::string_view what) {
  const char* const chosen = std::getenv("UNPROTECTED");
  return chosen == nullptr || what == chosen;
}

const bool no_checksums = leaves_out("checksums");
const bool no_syncs = leaves_out("syncs");

int sync_by(long call, int descriptor) {
  return no_syncs ? 0 : static_cast<int>(::syscall(call, descriptor));
}

}  // namespace

namespace petavox {

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) {
  return no_checksums ? bytes.size() : checksum_of_bytes(bytes, seed);
}

}  // namespace petavox

extern "C" int fsync(int descriptor) { return sync_by(SYS_fsync, descriptor); }
extern "C" int fdatasync(int descriptor) { return sync_by(SYS_fdatasync, descriptor); }
