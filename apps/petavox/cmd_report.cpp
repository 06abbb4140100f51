// petavox report: report.html of a run, made anew from its directory.

#include "apps/petavox/command.hpp"
#include "apps/petavox/report_page.hpp"

#include <filesystem>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Every run writes report.html at its end, finished or not. This makes it anew, for example after a crash "
    "or while\n"
    "the run still works. One file without scripts or links: send it to anyone.\n"
    "\n"
    "Examples:\n"
    "  petavox report runs/phantom                    writes runs/phantom/report.html\n"
    "  petavox report runs/phantom --out report.html";

struct Options {
  std::string directory, out;
};

int run(const Options& options) {
  const OutputRoot root = OutputRoot::open(options.directory);
  const std::string page = make_report(root).page;
  const auto bytes = bytes_of(page);
  if (options.out.empty()) {
    root.atomically_replace("report.html", bytes);
    std::cout << root.path_of("report.html") << "\n";
    return 0;
  }
  const std::filesystem::path out = std::filesystem::absolute(options.out);
  OutputRoot::open(out.parent_path().string()).atomically_replace(out.filename().string(), bytes);
  std::cout << options.out << "\n";
  return 0;
}

}  // namespace

void add_report_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("report", "Write the report of a run as one HTML file");
  sub->footer(footer);
  sub->add_option("directory", options->directory, "Directory of the run")->required()->type_name("RUN_DIR");
  sub->add_option("--out", options->out, "The file to write, instead of report.html in the directory")
      ->type_name("FILE.html");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
