#pragma once
// Progress of a run for Prometheus: text over HTTP, from the process of the master, on request (--metrics).

#include "petavox/run/progress.hpp"

#include <memory>
#include <string>

namespace petavox::app {

/// The exposition format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
std::string metrics_text(const Progress& progress);

/// Answers `GET /metrics` with what was shown last, one connection at a time, in a thread of its own.
class MetricsServer {
 public:
  /// "9464" or "0.0.0.0:9464": an IPv4 address and a port. Without an
  /// address: 127.0.0.1, as the figures tell names of stages to whoever asks. Port 0: any free one. Throws
  /// Error{config} for a text that is no address, Error{io} if it cannot be listened on.
  explicit MetricsServer(const std::string& where);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  int port() const;
  /// Thread-safe.
  void show(const Progress& progress);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace petavox::app
