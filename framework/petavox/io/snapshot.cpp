#include "petavox/io/snapshot.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/base/log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

namespace petavox {
namespace {

constexpr std::array<char, 8> snapshot_magic{'P', 'V', 'X', 'S', 'N', 'A', 'P', '1'};
constexpr std::uint64_t first_page_offset = 4096;
constexpr std::uint64_t pages_between_signs = (std::uint64_t{64} << 20) / result_page_bytes;

struct Head {
  std::array<char, 8> magic;
  std::uint64_t directory_offset, directory_bytes, directory_checksum;
};
static_assert(sizeof(Head) == 32);

std::uint64_t page_checksum(std::uint64_t page, std::span<const ResultRecord> records) {
  // 0 says "not stored".
  return std::max<std::uint64_t>(1, checksum(std::as_bytes(records), mix64(page + 1)));
}

std::uint64_t directory_key(std::uint32_t generation) { return mix64(std::uint64_t{generation} + 1); }

/// Generation and number of a snapshot, from its name.
std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_name(const std::string& name) {
  std::pair<std::uint32_t, std::uint32_t> id;
  const char* end = name.data() + name.size();
  const auto [dot, error] = std::from_chars(name.data(), end, id.first);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  const auto [last, second_error] = std::from_chars(dot + 1, end, id.second);
  if (second_error != std::errc{} || last != end) return std::nullopt;
  return id;
}

std::string name_of(std::uint32_t generation, std::uint32_t number) {
  return std::to_string(generation) + "." + std::to_string(number);
}

/// What is gathered while the pages are written.
struct Gathered {
  std::vector<std::vector<std::uint64_t>> bits;  // of each step
  std::vector<std::int64_t> num_done;
  std::set<SnapshotPack> packs;
  std::vector<std::uint64_t> page_checksums;
};

void write_pages(File& file, ResultIndex& index, Gathered& gathered,
                 const std::function<void()>& sign_of_life) {
  std::size_t step = 0;
  std::int64_t in_step = 0;
  const auto& sizes = index.tasks_per_step();
  for (std::uint64_t page = 0; page < index.num_pages(); ++page) {
    if (page % pages_between_signs == 0) {
      // Piece by piece: one sync of all at the end may take minutes.
      if (page > 0) file.sync_data();
      if (sign_of_life) sign_of_life();
    }
    const std::vector<ResultRecord>& records = index.page(page);
    bool any = false;
    for (std::uint64_t i = 0; i < results_per_page; ++i, ++in_step) {
      while (step < sizes.size() && in_step == sizes[step]) {
        ++step;
        in_step = 0;
      }
      if (step == sizes.size()) break;
      const ResultRecord& record = records[i];
      if (record.flags == 0 || !is_sound(page * results_per_page + i, record)) continue;
      any = true;
      gathered.bits[step][usize(in_step / 64)] |= std::uint64_t{1} << (in_step % 64);
      ++gathered.num_done[step];
      if ((record.flags & done_skipped) == 0)
        gathered.packs.insert(
            {record.location.generation, record.location.writer, static_cast<std::int64_t>(step)});
    }
    gathered.page_checksums.push_back(any ? page_checksum(page, records) : 0);
    if (any)
      file.write_all_at(std::as_bytes(std::span{records}), first_page_offset + page * result_page_bytes);
  }
}

Bytes encode_directory(const SnapshotContent& content, const Gathered& gathered) {
  ByteWriter out;
  out.put_vector(content.steps);
  out.put_vector(content.tasks_per_step);
  out.put_vector(content.covered);
  out.put_vector(content.lost);
  out.put_vector(content.collected);
  out.put_vector(std::vector<SnapshotPack>(gathered.packs.begin(), gathered.packs.end()));
  for (const auto& words : gathered.bits) out.put_vector(words);
  out.put_vector(gathered.page_checksums);
  return out.take();
}

}  // namespace

bool write_snapshot(const OutputRoot& root, std::uint32_t generation, const SnapshotContent& content,
                    ResultIndex& index, const std::vector<std::int64_t>& num_done,
                    const std::function<void()>& sign_of_life) {
  Gathered gathered;
  gathered.num_done.assign(num_done.size(), 0);
  for (const std::int64_t n : content.tasks_per_step) gathered.bits.emplace_back(usize((n + 63) / 64), 0);
  root.make_directories("snapshots");
  const std::vector<std::string> older = root.list("snapshots");
  std::uint32_t number = 1;
  for (const std::string& name : older)
    if (const auto id = parse_name(name); id && id->first == generation)
      number = std::max(number, id->second + 1);
  struct Incomplete {};
  try {
    root.publish_file("snapshots/" + name_of(generation, number), [&](File& file) {
      write_pages(file, index, gathered, sign_of_life);
      if (gathered.num_done != num_done) throw Incomplete{};
      const Bytes directory = encode_directory(content, gathered);
      const Head head{snapshot_magic, first_page_offset + index.num_pages() * result_page_bytes,
                      directory.size(), checksum(directory, directory_key(generation))};
      file.write_all_at(directory, head.directory_offset);
      file.write_all_at(std::as_bytes(std::span{&head, 1}), 0);
    });
  } catch (const Incomplete&) {
    return false;
  }
  // One of a newer master may be among them. What has no name of ours was left by a death in mid-writing.
  for (const std::string& name : older)
    if (const auto id = parse_name(name); !id || *id < std::pair{generation, number})
      (void)root.remove("snapshots/" + name);
  return true;
}

bool Snapshot::load(std::uint32_t generation, const std::vector<Hash128>& steps,
                    const std::vector<std::int64_t>& tasks_per_step) {
  Head head{};
  const std::uint64_t size = file_.size_bytes();
  if (size < sizeof head) return false;
  file_.read_exact_at(std::as_writable_bytes(std::span{&head, 1}), 0);
  if (head.magic != snapshot_magic || head.directory_offset > size ||
      head.directory_bytes > size - head.directory_offset)
    return false;
  Bytes directory(usize(checked_cast<std::int64_t>(head.directory_bytes)));
  file_.read_exact_at(directory, head.directory_offset);
  if (checksum(directory, directory_key(generation)) != head.directory_checksum) return false;
  ByteReader in{directory};
  content_.steps = in.get_vector<Hash128>();
  content_.tasks_per_step = in.get_vector<std::int64_t>();
  if (content_.steps != steps || content_.tasks_per_step != tasks_per_step) return false;
  content_.covered = in.get_vector<JournalPosition>();
  content_.lost = in.get_vector<AttemptRecord>();
  content_.collected = in.get_vector<Stream>();
  packs_ = in.get_vector<SnapshotPack>();
  finished_ = FinishedTasks{tasks_per_step};
  std::int64_t total = 0;
  for (std::size_t s = 0; s < tasks_per_step.size(); ++s) {
    if (!finished_.adopt(static_cast<std::int64_t>(s), in.get_vector<std::uint64_t>())) return false;
    total += tasks_per_step[s];
  }
  page_checksums_ = in.get_vector<std::uint64_t>();
  const auto num_pages = (static_cast<std::uint64_t>(total) + results_per_page - 1) / results_per_page;
  return page_checksums_.size() == num_pages && in.done();
}

std::shared_ptr<Snapshot> Snapshot::open_newest(const OutputRoot& root, const std::vector<Hash128>& steps,
                                                const std::vector<std::int64_t>& tasks_per_step) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
  for (const std::string& name : root.list("snapshots"))
    if (const auto id = parse_name(name)) found.push_back(*id);
  std::sort(found.rbegin(), found.rend());
  for (const auto& [generation, number] : found) {
    const std::string name = "snapshots/" + name_of(generation, number);
    try {
      auto file = root.find_for_reading(name);
      if (!file) continue;
      const std::shared_ptr<Snapshot> snapshot{new Snapshot{std::move(*file), name}};
      if (snapshot->load(generation, steps, tasks_per_step)) return snapshot;
    } catch (const Error&) {
      // Damaged or unreadable: as if it were not there.
    }
    log::warning(root.path() + "/" + name +
                 " is damaged or of another plan and is not used (the journal says the same); nothing needs "
                 "to be done");
  }
  return nullptr;
}

void Snapshot::read_page(std::uint64_t page, std::span<ResultRecord> into) const {
  const std::uint64_t expected = page < page_checksums_.size() ? page_checksums_[page] : 0;
  std::fill(into.begin(), into.end(), ResultRecord{});
  if (expected == 0) return;
  const std::size_t got =
      file_.read_at(std::as_writable_bytes(into), first_page_offset + page * result_page_bytes);
  if (got != into.size_bytes() || page_checksum(page, into) != expected)
    throw CorruptObject{file_.path() + " is damaged at page " + std::to_string(page) +
                        " (its checksum differs); the journal is read instead"};
}

}  // namespace petavox
