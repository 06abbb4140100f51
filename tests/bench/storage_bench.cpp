// Speed of the storage layer on the file system of a directory.
//
//   storage_bench DIRECTORY [RECORDS]
//
// Journal: append, commit and replay of RECORDS Done records (default 4 million), with and without filling
// the result index. Bundles: writing a block of 256^3 and reading it whole, by chunks and by faces.

#include "petavox/io/bundle.hpp"
#include "petavox/io/finished_tasks.hpp"
#include "petavox/io/journal.hpp"
#include "petavox/io/result_index.hpp"

#include "bench_clock.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace petavox::bench {
namespace {

struct Counter : JournalVisitor {
  FinishedTasks finished;
  ResultIndex* index = nullptr;
  std::uint64_t num_done = 0;
  void done(const DoneRecord& record, std::string_view) override {
    if (!finished.known(record.task) || !finished.insert(record.task)) return;
    ++num_done;
    if (index != nullptr) index->put(record.task, {record.location, record.flags});
  }
};

void report(const char* what, double amount, const char* unit, double wall, double cpu) {
  std::printf("%-44s %10.2f %s/s wall %10.2f %s/s CPU\n", what, amount / wall, unit, amount / cpu, unit);
}

template <class F>
void timed(const char* what, double amount, const char* unit, F&& f) {
  const double wall = wall_seconds(), cpu = cpu_seconds();
  f();
  report(what, amount, unit, wall_seconds() - wall, cpu_seconds() - cpu);
}

void bench_journal(const OutputRoot& root, std::int64_t records) {
  const double millions = static_cast<double>(records) / 1e6;
  // As tasks finish: nearly in order, over a few steps.
  const auto task_of = [](std::int64_t i) {
    return TaskId{i % 4, i / 4 ^ static_cast<std::int64_t>(mix64(static_cast<std::uint64_t>(i)) % 64)};
  };
  const std::vector<std::int64_t> sizes(4, records / 4 + 64);
  timed("journal: append, commit every 1000", millions, "M", [&] {
    JournalWriter journal = JournalWriter::acquire(root, {});
    for (std::int64_t i = 0; i < records; ++i) {
      const auto n = static_cast<std::uint64_t>(i);
      journal.done({task_of(i), 1, 2, {1, 2, n * 1000, 1000, mix64(n)}, {n, n}, 1000, 0, 0});
      if (i % 1000 == 999) journal.commit();
    }
    journal.commit();
  });
  for (int round = 0; round < 2; ++round) {
    Counter counter;
    counter.finished = FinishedTasks{sizes};
    timed(round == 0 ? "journal: replay (first)" : "journal: replay (cached)", millions, "M",
          [&] { (void)replay_journal(root, counter); });
  }
  Counter counter;
  counter.finished = FinishedTasks{sizes};
  ResultIndex index{root, 1, sizes};
  counter.index = &index;
  timed("journal: replay into the result index", millions, "M", [&] {
    (void)replay_journal(root, counter);
    index.flush();
  });
  timed("result index: look-ups, nearly in order", millions, "M", [&] {
    std::int64_t found = 0;
    for (std::int64_t i = 0; i < records; ++i) found += index.get(task_of(i)).has_value() ? 1 : 0;
    if (found == 0) std::abort();
  });
}

void bench_bundles(const OutputRoot& root) {
  const Box box{{0, 0, 0}, Coord{} + Extent::cube(256)};
  const Box domain = box.grow(Halo::uniform(256));
  Array image{DType::u8, box, domain};
  LabelArray labels{Array{DType::u32, box, domain}, {}};
  auto voxels = image.view<std::uint8_t>();
  auto ids = labels.ids.view<std::uint32_t>();
  std::uint64_t state = 1;
  box.for_each([&](Coord p) {
    voxels[p] = static_cast<std::uint8_t>(100 + p.y % 20 + static_cast<Index>(mix64(++state) % 24));
    ids[p] =
        static_cast<std::uint32_t>(p.z / 16 * 256 + (p.y + p.z / 3 % 7) / 17 * 16 + (p.x + p.y / 3 % 5) / 17);
  });
  Bytes bundle;
  const double megabytes = static_cast<double>(image.bytes().size() + labels.ids.bytes().size()) / 1e6;
  timed("bundle: pack 256^3 u8 + u32 labels, layers", megabytes, "MB", [&] {
    BundleWriter writer{1};
    writer.add_image(0, image, Extent::cube(64), default_image_codec(DType::u8), true);
    writer.add_labels(1, labels, Extent::cube(64), default_label_codec(), true);
    bundle = writer.finish();
  });
  std::printf("%-44s %10.2f\n", "bundle: logical / stored",
              megabytes * 1e6 / static_cast<double>(bundle.size()));
  PackWriter pack{root, 9, 0};
  Location location;
  timed("pack: append and sync", static_cast<double>(bundle.size()) / 1e6, "MB", [&] {
    location = pack.append(bundle);
    pack.sync();
  });
  const auto packs = std::make_shared<const PackReader>(root);
  const BundleReader reader{packs, location, 1, "bench"};
  Array image_back{DType::u8, box, domain}, ids_back{DType::u32, box, domain};
  timed("bundle: read image", static_cast<double>(image.bytes().size()) / 1e6, "MB",
        [&] { reader.read_image(0, image_back, box); });
  timed("bundle: read labels", static_cast<double>(labels.ids.bytes().size()) / 1e6, "MB",
        [&] { reader.read_labels(1, ids_back, box); });
  timed("bundle: open, read one face of labels (x 1000)", 1000, "faces", [&] {
    const Box face = face_layer(box, 2, true);
    Array layer{DType::u32, face, domain};
    for (int i = 0; i < 1000; ++i) {
      const BundleReader again{packs, location, 1, "bench"};
      again.read_labels(1, layer, face);
    }
  });
  timed("bundle: append tiny results (x 100000)", 100000, "tasks", [&] {
    for (int i = 0; i < 100000; ++i) {
      BundleWriter writer{static_cast<std::uint64_t>(i)};
      writer.add_blob(0, std::as_bytes(std::span{&i, 1}));
      (void)pack.append(writer.finish());
    }
    pack.sync();
  });
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  using namespace petavox;
  if (argc < 2) {
    std::fprintf(stderr, "usage: storage_bench DIRECTORY [RECORDS]\n");
    return 2;
  }
  try {
    const OutputRoot root = OutputRoot::create(std::string{argv[1]} + "/storage_bench");
    bench::bench_journal(root, argc > 2 ? std::atoll(argv[2]) : 4'000'000);
    bench::bench_bundles(root);
    for (const char* directory : {"journal", "index", "packs"}) root.remove_tree(directory);
  } catch (const Error& error) {
    std::fprintf(stderr, "storage_bench: %s\n", error.what());
    return static_cast<int>(exit_code_of(error.code()));
  }
}
