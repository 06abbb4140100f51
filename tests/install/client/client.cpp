// A program of one's own on the installed libraries: counts the objects of an HDF5 volume.
// Usage: client CONFIG RAW.h5 DATASET

#include <petavox/io/hdf5_volume.hpp>
#include <petavox/run/run.hpp>

#include <cstdio>

#include <stages/register.hpp>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  using namespace petavox;
  try {
    Problems problems;
    const RunConfig config = load_config(argv[1],
                                         {"output.dir=client_run", std::string{"input.path="} + argv[2],
                                          std::string{"input.dataset="} + argv[3]},
                                         problems);
    problems.throw_if_any();
    StageRegistry registry;
    register_stages(registry);
    const auto inputs = InputSet::open(
        config,
        [](const InputSpec& spec) -> std::unique_ptr<Volume> {
          return open_hdf5_volume(spec.path, spec.dataset);
        },
        problems);
    problems.throw_if_any();
    const auto plan = make_plan(config, registry, inputs->infos());
    const RunReport report = run_serial(*plan, *inputs, {});
    std::printf("digest %s\n", to_hex(report.digest).c_str());
    return static_cast<int>(report.exit_code);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(exit_code_of(error.code()));
  }
}
