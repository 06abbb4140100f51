// Row R12: feeds damaged input to everything that reads what others have written. Whatever it is, a parser
// returns or throws petavox::Error; anything else is a bug. Inputs are good ones with a few bytes changed,
// cut, doubled or exchanged, and the same seed gives the same inputs.
//
//   fuzz TARGET|all SEED SECONDS CORPUS [--only N]   CORPUS: directory with good inputs, named
//   TARGET-anything
// `all` leaves out hdf5: HDF5 1.10 itself overruns its heap on one damaged header in some five thousand
// (docs/reliability.md).
//
// Prints a line for each target: inputs tried, accepted, refused. A crash or an input that takes longer than
// 2 s names its number N on standard error, for --only. Build with the preset asan to see every misstep.

#include "petavox/base/log.hpp"
#include "petavox/io/bundle.hpp"
#include "petavox/io/bundle_directory.hpp"
#include "petavox/io/codec.hpp"
#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/integer_columns.hpp"
#include "petavox/io/journal_format.hpp"
#include "petavox/io/manifest.hpp"
#include "petavox/io/snapshot.hpp"
#include "petavox/io/tile_list_text.hpp"
#include "petavox/pipeline/config.hpp"
#include "petavox/run/wire.hpp"

#include "stages/network/model.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include <sys/time.h>
#include <unistd.h>

namespace petavox {
namespace {

std::atomic<std::uint64_t> current{0};

void on_fatal(int signal) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "input %llu: signal %d\n",
                                   static_cast<unsigned long long>(current.load()), signal);
  (void)!::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
  ::_exit(1);
}

/// From now on; 0: no limit. Of CPU, so that a busy machine is no slow parser.
void limit_cpu(int seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

using Corpus = std::vector<Bytes>;

Bytes copy_of(std::string_view text) {
  const auto bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

class Mutator {
 public:
  Mutator(const Corpus& corpus, std::uint64_t seed) : corpus_{corpus}, state_{mix64(seed)} {}
  Bytes next() {
    Bytes bytes = corpus_[below(corpus_.size())];
    for (std::uint64_t n = 1 + below(4); n > 0; --n) change(bytes);
    return bytes;
  }
  std::uint64_t below(std::uint64_t n) { return (state_ = mix64(state_ + 0x9e3779b97f4a7c15U)) % n; }

 private:
  void change(Bytes& bytes) {
    static constexpr std::uint64_t odd[] = {0,
                                            1,
                                            0x7f,
                                            0x80,
                                            0xff,
                                            0x7fffffff,
                                            0x80000000,
                                            0xffffffff,
                                            0x7fffffffffffffff,
                                            0x8000000000000000,
                                            0xffffffffffffffff};
    if (bytes.empty()) bytes.resize(1 + below(64));
    const std::size_t at = below(bytes.size());
    switch (below(7)) {
      case 0:
        bytes[at] ^= static_cast<std::byte>(1U << below(8));
        return;
      case 1:
        bytes[at] = static_cast<std::byte>(below(256));
        return;
      case 2: {  // a number that is often a mistake, where a number may be
        const std::uint64_t value = odd[below(std::size(odd))];
        const std::size_t size = std::size_t{1} << below(4), start = at / size * size;
        for (std::size_t i = 0; i < size && start + i < bytes.size(); ++i)
          bytes[start + i] = static_cast<std::byte>(value >> (8 * i));
        return;
      }
      case 3:
        bytes.resize(at);
        return;
      case 4: {  // a piece once more
        const Bytes piece(
            bytes.begin() + static_cast<std::ptrdiff_t>(at),
            bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at + 1 + below(32))));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), piece.begin(),
                     piece.end());
        return;
      }
      case 5:
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at + 1 + below(16))));
        return;
      default: {  // the end of another
        const Bytes& other = corpus_[below(corpus_.size())];
        const std::size_t from = other.empty() ? 0 : below(other.size());
        bytes.resize(at);
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        return;
      }
    }
  }
  const Corpus& corpus_;
  std::uint64_t state_;
};

struct Target {
  std::function<void(const Bytes&)> feed;
  Corpus corpus;  ///< made here, beside what is stored
};

/// A directory in memory for what can only be read from files.
std::string scratch() { return "/dev/shm/petavox_fuzz_" + std::to_string(::getpid()); }

void write_file(const std::string& name, const Bytes& bytes) {
  const std::filesystem::path path = std::filesystem::path{scratch()} / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::streamsize>(bytes.size()));
}

const std::vector<std::int64_t> task_counts{40, 0, 700};
const std::vector<Hash128> step_hashes{{1, 2}, {3, 4}, {5, 6}};

Bytes read_back(const std::string& name) {
  std::ifstream in{scratch() + "/" + name, std::ios::binary};
  return copy_of(std::string(std::istreambuf_iterator<char>{in}, {}));
}

Bytes good_snapshot() {
  std::filesystem::remove_all(scratch());
  const OutputRoot root = OutputRoot::create(scratch());
  ResultIndex index{root, 1, task_counts};
  std::vector<std::int64_t> done(task_counts.size(), 0);
  for (std::int64_t i = 0; i < 600; i += 3, ++done[2])
    index.put({2, i},
              {{1, static_cast<std::uint32_t>(i % 5), 100, 200, mix64(static_cast<std::uint64_t>(i))}, 0});
  (void)write_snapshot(root, 1, {step_hashes, task_counts, {{1, 3, 400}}, {{{2, 4}, 1, 7}}, {{1, 3}}}, index,
                       done);
  return read_back("snapshots/1.1");
}

// With the checksum that its writer would have given it: else nothing but the checksum is tested.
void feed_snapshot(Bytes bytes) {
  std::uint64_t head[4];
  if (bytes.size() >= sizeof head) {
    std::memcpy(head, bytes.data(), sizeof head);
    if (head[1] <= bytes.size() && head[2] <= bytes.size() - head[1]) {
      head[3] = checksum(std::span{bytes}.subspan(head[1], head[2]), mix64(2));
      std::memcpy(bytes.data(), head, sizeof head);
    }
  }
  write_file("snapshots/1.1", bytes);
  const auto snapshot = Snapshot::open_newest(OutputRoot::open(scratch()), step_hashes, task_counts);
  if (!snapshot) throw Error{ErrorCode::io, "refused"};
  std::vector<ResultRecord> page(results_per_page);
  for (std::uint64_t n = 0; n < 4; ++n) snapshot->read_page(n, page);
}

void feed_journal(const Bytes& bytes) {
  // The bytes are cut into payloads of records that have good checksums.
  Bytes file(detail::journal_magic.size());
  std::memcpy(file.data(), detail::journal_magic.data(), file.size());
  JournalHeader header;
  header.steps = step_hashes;
  detail::append_frame(file, 1, 0, detail::RecordType::header, detail::encode_header(header), {});
  std::uint64_t sequence = 1;
  for (std::size_t at = 0; at + 2 <= bytes.size();) {
    const auto type = static_cast<detail::RecordType>(static_cast<unsigned>(bytes[at]) % 12);
    const std::size_t size =
        std::min<std::size_t>(static_cast<std::size_t>(bytes[at + 1]), bytes.size() - at - 2);
    detail::append_frame(file, 1, sequence++, type, std::span{bytes}.subspan(at + 2, size), {});
    at += 2 + size;
  }
  write_file("journal/1", file);
  JournalVisitor nobody;
  (void)replay_journal(OutputRoot::open(scratch()), nobody);
  if (!detail::decode_header(bytes)) throw Error{ErrorCode::io, "refused"};
}

constexpr std::uint64_t bundle_key_used = 7;

Bytes good_bundle() {
  BundleWriter writer{bundle_key_used};
  Array array{DType::u8, Box::from({0, 0, 0}, {8, 8, 8})};
  writer.add_blob(0, Bytes(100, std::byte{5}));
  writer.add_image(1, array, {4, 4, 4}, {}, true);
  return writer.finish();
}

// With a directory whose checksum is right.
void feed_bundle(Bytes bytes) {
  detail::BundleHeader header;
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.length_bytes = bytes.size();
  if (header.directory_bytes <= bytes.size() - sizeof header) {
    header.checksum = header_checksum(header, std::span{bytes}.subspan(sizeof header, header.directory_bytes),
                                      bundle_key_used);
    std::memcpy(bytes.data(), &header, sizeof header);
  }
  const BundleReader reader{[&](std::uint64_t offset, std::span<std::byte> into) {
                              if (offset > bytes.size() || into.size() > bytes.size() - offset)
                                throw Error{ErrorCode::io, "beyond the end"};
                              std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(),
                                          into.begin());
                            },
                            bytes.size(), bundle_key_used, "bundle"};
  (void)reader.parts();
  (void)reader.blob(0);
}

std::span<const std::byte> bytes_in(const std::vector<std::uint64_t>& numbers) {
  return std::as_bytes(std::span{numbers});
}

// Files of several writers and of petavox' shards: everything that opening tells, and the voxels of what is
// small.
void feed_hdf5(const Bytes& bytes) {
  write_file("damaged.h5", bytes);
  const std::string file = scratch() + "/damaged.h5";
  (void)list_hdf5_datasets(file);
  const auto volume = open_hdf5_volume(file, "data");
  if (volume->domain().voxels() > 1'000'000) throw Error{ErrorCode::resource, "large"};
  (void)volume->read_box(volume->domain());
}

std::map<std::string, Target> targets() {
  std::map<std::string, Target> all;
  all["config"] = {[](const Bytes& bytes) {
                     Problems problems;
                     (void)parse_config(text_of(bytes), "/nowhere/run.yaml", {}, problems);
                     problems.throw_if_any();
                   },
                   {}};
  all["tiles_csv"] = {[](const Bytes& bytes) { (void)detail::parse_tile_csv(text_of(bytes), "tiles.csv"); },
                      {copy_of("file,z,y,x\na.png,0,0,0\n\"b,1.png\",0,0,900\nc.png,1,-3.5,1e3\n")}};
  all["tiles_json"] = {
      [](const Bytes& bytes) { (void)detail::parse_tile_json(text_of(bytes), "tiles.json"); },
      {copy_of("{\"tiles\": [{\"file\": \"a.png\", \"z\": 0, \"y\": 0, \"x\": 0.5}, "
               "{\"file\": \"b.png\", \"z\": 1}]}")}};
  all["manifest"] = {
      [](const Bytes& bytes) { (void)manifest_from_text(text_of(bytes)); },
      {copy_of(manifest_to_text({{{"petavox", "1"}}, {}, {{"t", "f", 3, 4, {1, 2}, {3, 4}}}, {5, 6}}))}};
  const std::vector<Work> work{{{0, 1}, 1, {{{2, 3}, {{1, 2, 3, 4, 5}, 0}}, {{2, 4}, {{1, 2, 3, 4, 5}, 1}}}},
                               {{1, 1}, 2, {}}};
  all["wire_work"] = {[](const Bytes& bytes) {
                        std::span<const std::byte> body = bytes;
                        (void)wire::take_address(body);
                        (void)wire::decode_work(body);
                      },
                      {wire::encode(work)}};
  std::vector<TaskOutcome> outcomes(3);
  outcomes[1].kind = OutcomeKind::failed;
  outcomes[1].text = "a stage failed";
  all["wire_outcomes"] = {[](const Bytes& bytes) { (void)wire::decode_outcomes(bytes); },
                          {wire::encode(outcomes)}};
  all["wire_releases"] = {[](const Bytes& bytes) { (void)wire::decode_releases(bytes); },
                          {wire::encode(std::vector<Release>{{{1, 2}, 3, 4}, {{1, 5}, 6, 7}})}};
  all["snapshot"] = {feed_snapshot, {good_snapshot()}};
  all["journal"] = {feed_journal,
                    {detail::encode_header({{1, 2}, step_hashes, "1", "host", 1, 2, 3, 4}), Bytes(300)}};
  all["bundle"] = {feed_bundle, {good_bundle()}};
  std::vector<std::uint64_t> numbers(64);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i * i / 3;
  Target chunk{[](const Bytes& bytes) {
                 Bytes into(512);
                 unpack_chunk(bytes, 8, into);
               },
               {}};
  for (const Codec codec : {Codec::lz4, Codec::zstd})
    chunk.corpus.push_back(pack_chunk(bytes_in(numbers), 8, {codec, 1, Shuffle::byte}));
  all["chunk"] = chunk;
  all["columns"] = {[](const Bytes& bytes) {
                      Bytes into(512);
                      detail::unpack_column(bytes, 8, {}, into);
                    },
                    {detail::pack_column(bytes_in(numbers), 8, {})}};
  all["hdf5"] = {feed_hdf5, {}};
  all["model"] = {[](const Bytes& bytes) { (void)network::parse_model(bytes, "model.pvm"); }, {}};
  return all;
}

bool fuzz(const std::string& name, Target& target, std::uint64_t seed, double seconds,
          const std::string& corpus, std::uint64_t only) {
  for (const auto& file : std::filesystem::directory_iterator{corpus})
    if (file.path().filename().string().starts_with(name + "-")) {
      std::ifstream in{file.path(), std::ios::binary};
      target.corpus.push_back(copy_of(std::string(std::istreambuf_iterator<char>{in}, {})));
    }
  if (target.corpus.empty()) {
    std::fprintf(stderr, "%s: no good input in %s\n", name.c_str(), corpus.c_str());
    return false;
  }
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  std::uint64_t accepted = 0, refused = 0;
  for (std::uint64_t n = only; std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++n) {
    current = n;
    const Bytes bytes = Mutator{target.corpus, mix64(seed) + n}.next();
    limit_cpu(2);
    try {
      target.feed(bytes);
      ++accepted;
    } catch (const Error&) {
      ++refused;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s, input %llu: %s\n", name.c_str(), static_cast<unsigned long long>(n),
                   error.what());
      return false;
    }
    if (only != 0) break;
  }
  limit_cpu(0);
  std::printf("%-14s %10llu inputs, %llu accepted, %llu refused\n", name.c_str(),
              static_cast<unsigned long long>(accepted + refused), static_cast<unsigned long long>(accepted),
              static_cast<unsigned long long>(refused));
  std::fflush(stdout);
  return true;
}

}  // namespace
}  // namespace petavox

int main(int argc, char** argv) {
  if (argc != 5 && argc != 7) {
    std::fprintf(stderr, "usage: %s TARGET|all SEED SECONDS CORPUS [--only N]\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGPROF}) std::signal(signal, petavox::on_fatal);
  petavox::log::set_level(petavox::log::Level::off);
  const std::string wanted = argv[1];
  const std::uint64_t only = argc == 7 ? std::strtoull(argv[6], nullptr, 10) : 0;
  bool good = true, found = false;
  for (auto& [name, target] : petavox::targets())
    if (wanted == name || (wanted == "all" && name != "hdf5")) {
      found = true;
      good = petavox::fuzz(name, target, std::strtoull(argv[2], nullptr, 10), std::atof(argv[3]), argv[4],
                           only) &&
             good;
    }
  std::filesystem::remove_all(petavox::scratch());
  return good && found ? 0 : 1;
}
