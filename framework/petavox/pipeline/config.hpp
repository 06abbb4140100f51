#pragma once
// The configuration of a run: one YAML file, and `--set key.path=value` overrides on top of it.
// Promises: every key is known and every value in range, or all problems are reported at once, each with its
// file, line and column; a hostile file costs at most `max_config_bytes` of text and `max_config_nodes`
// values; paths are absolute. Stage parameters are checked by the stages themselves, when the graph is built.
// Thread safety: plain values; the functions may be called from any thread.

#include "petavox/geometry/box.hpp"
#include "petavox/io/image_stack.hpp"
#include "petavox/stage/registry.hpp"
#include "petavox/stage/value.hpp"
#include "petavox/volume/volume.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox {

inline constexpr std::size_t max_config_bytes = std::size_t{1} << 20;
inline constexpr std::size_t max_config_nodes = 100'000;
inline constexpr int max_config_depth = 32;
inline constexpr int max_threads = 1024;

/// A volume that is computed, not read: an EM-like phantom (stages/phantom).
struct PhantomSource {
  Extent shape{128, 128, 128};
  std::uint64_t seed = 1;
  std::string volume = "raw";  ///< which of the phantom's volumes: "raw", "labels", "types"
  double noise = 1;            ///< strength, 0 to 4
  double section_variation = 1;
  double section_jitter_nm = 0;
};
/// All of it in one line, for fingerprints.
std::string to_string(const PhantomSource& source);

struct InputSpec {
  std::string name;                          ///< "input" for the main one
  std::filesystem::path path;                ///< file or directory of images; empty for a phantom
  std::string dataset;                       ///< inside an HDF5 file; empty for images
  std::optional<PhantomSource> phantom;      ///< set if and only if `path` is empty
  std::optional<Box> box;                    ///< in the coordinates of what is read; nothing: all of it
  std::optional<VoxelSizeNm> voxel_size_nm;  ///< nothing: what the file says
  GapPolicy gaps = GapPolicy::refuse;        ///< where an image stack lacks a section
  Position where;
};

/// Voxels that count: non-zero ones (zero ones if inverted), at the input's or a coarser scale.
struct MaskSpec {
  std::filesystem::path path;
  std::string dataset;
  bool invert = false;
  Position where;
};

/// How chunks are compressed; the words are those of petavox/io/codec.hpp and, for final volumes,
/// petavox/io/hdf5_codec.hpp, which has gzip too.
struct CodecSpec {
  std::string codec = "zstd";    ///< none | lz4 | lz4hc | zstd | blosclz | zlib
  int level = 1;                 ///< 0 to 9
  std::string shuffle = "none";  ///< none | byte | bit
  friend bool operator==(const CodecSpec&, const CodecSpec&) = default;
};

struct StageSpec {
  std::string name;                           ///< of the instance, unique in the run
  std::string type;                           ///< of the stage
  std::map<std::string, std::string> reads;   ///< port -> volume, where it differs from the contract
  std::map<std::string, std::string> writes;  ///< port -> volume, where it differs from the port's name
  Value params;                               ///< a map or none, without `stage`, `reads` and `writes`
  Position where;
};

/// A shared library with stages.
struct PluginSpec {
  std::filesystem::path file;
  std::string sha256;  ///< that it must have, 64 lower-case hex digits; empty: any
};

enum class KeepMode { all, final, list };
enum class Isolation { none, process };

struct RunConfig {
  std::filesystem::path file;     ///< the YAML file itself
  std::vector<InputSpec> inputs;  ///< the main one, called "input", comes first
  std::optional<MaskSpec> mask;

  Extent block_shape{128, 128, 128};
  std::optional<Extent>
      chunk_shape;  ///< of intermediates; divides block_shape. Nothing: chosen from the block

  std::filesystem::path output_dir;
  KeepMode keep = KeepMode::final;
  std::vector<std::string> keep_volumes;  ///< for KeepMode::list
  CodecSpec image_codec, label_codec;     ///< of intermediates
  CodecSpec final_codec;
  Extent final_chunk_shape{64, 64, 64};  ///< divides final_shard_shape
  Extent final_shard_shape{256, 256, 256};

  std::size_t memory_reduction_bytes = std::size_t{1024} << 20;
  std::size_t memory_chunk_cache_bytes = std::size_t{64} << 20;
  std::size_t memory_isolated_bytes = std::size_t{4096} << 20;  ///< of a helper, with isolation

  int threads = 1;                 ///< of a rank: tasks that it runs at once
  int max_attempts = 3;            ///< charges before a block is quarantined
  double lease_s = 600;            ///< silence after which a worker's task is given to another
  Index snapshot_tasks = 1 << 20;  ///< finished tasks between two snapshots of the journal, at least
  std::uint64_t seed = 0;          ///< of BlockContext::random
  double verify_fraction = 0;      ///< of the tasks: run a second time on another rank, and compared
  Isolation isolation = Isolation::none;

  std::vector<PluginSpec> plugins;
  std::vector<StageSpec> stages;  ///< in the order written

  /// Names of inputs that the file asks for and that do not exist in this run (see `notes`).
  std::vector<std::string> absent_inputs;
  /// What was decided on the user's behalf, one line each, to be logged.
  std::vector<std::string> notes;
  /// The whole configuration after overrides, with absolute paths, and the same as canonical YAML, which
  /// loads again as the same run. For provenance.
  Value source;
  std::string source_text;

  const InputSpec& main_input() const { return inputs.front(); }
};

/// Reads and checks a configuration. Overrides are "key.path=value"; a value that starts with [, {, ' or " is
/// read as YAML, any other is taken as it stands. Relative paths in the file are relative to the file's
/// directory; those in overrides to the current directory. Problems are added to `problems`; what is returned
/// then is usable for looking for further problems only. An unreadable or oversized file is a problem too.
RunConfig load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                      Problems& problems);

/// The same from text; `file` names the origin and its directory is the base of relative paths.
RunConfig parse_config(std::string_view text, const std::filesystem::path& file,
                       const std::vector<std::string>& overrides, Problems& problems);

/// Removes the stages that need an absent input, and those that need what these would have written, with a
/// note for each. Unknown stage types are left for the graph to report.
void skip_stages_without_inputs(RunConfig& config, const StageRegistry& registry);

/// [A-Za-z0-9_.-]+, not starting with '.' or '-', at most 100 characters: safe as a file name.
bool is_safe_name(std::string_view name);

/// "file.h5:/dataset" -> {file.h5, /dataset}; without ":/", the whole text is a path.
std::pair<std::string, std::string> split_dataset(std::string_view where);

}  // namespace petavox
