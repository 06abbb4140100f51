#pragma once
// The helpers of a program: one plugin each, kept for the next block, started anew after they have died or
// were killed. Thread-safe; a borrowed helper belongs to one thread.

#include "petavox/isolation/helper_server.hpp"

#include <atomic>
#include <map>
#include <set>
#include <vector>

namespace petavox::isolation {

struct PoolLimits {
  std::size_t memory_bytes = std::size_t{4} << 30;  ///< of a helper, shared memory included
  double block_s = 450;                             ///< after which a block's helper is killed
  double answer_s = 60;                             ///< the same for loading and for questions
};

/// A helper's process and what is known of it.
class Helper {
 public:
  Helper(HelperServer& server, const HelperLimits& limits, std::filesystem::path plugin);
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  /// Sends a request and waits for its end, answering what the helper asks for with `serve`. Throws what the
  /// helper reports; if it has died, does not answer or breaks the protocol, throws Error{stage} saying so,
  /// and is dead.
  Message call(Tag tag, const Bytes& head, const std::vector<std::span<const std::byte>>& parts,
               double seconds, const std::function<void(Channel&, Message&, Deadline)>& serve = {});
  bool dead() const { return dead_; }
  /// It has said something that makes no sense: no more blocks for it.
  void condemn() { static_cast<void>(end()); }
  const std::filesystem::path& plugin() const { return plugin_; }
  /// Programs that it has made.
  std::set<std::uint64_t>& made() { return made_; }

 private:
  void read_output();
  void bound_time(double seconds) const;
  /// Kills it if it still lives, and tells how it ended.
  std::string end();

  HelperServer& server_;
  HelperLimits limits_;
  std::filesystem::path plugin_;
  HelperProcess process_;
  Channel channel_;
  std::string last_words_;
  std::size_t shown_ = 0;
  std::set<std::uint64_t> made_;
  bool dead_ = false;
};

class HelperPool {
 public:
  explicit HelperPool(std::shared_ptr<HelperServer> server) : server_{std::move(server)} {}

  /// For helpers that are started from now on.
  void set_limits(const PoolLimits& limits);
  PoolLimits limits() const;

  /// Given back to the pool at the end, unless dead.
  class Borrowed {
   public:
    Borrowed(HelperPool& pool, std::unique_ptr<Helper> helper) : pool_{&pool}, helper_{std::move(helper)} {}
    ~Borrowed();
    Borrowed(Borrowed&&) = default;
    Helper* operator->() const { return helper_.get(); }

   private:
    HelperPool* pool_;
    std::unique_ptr<Helper> helper_;
  };
  /// The SHA-256 that the plugin's file must have when a helper loads it, from now on; empty: any.
  void require(const std::filesystem::path& plugin, const std::string& sha256);
  /// One that has loaded the plugin: an idle one, or a new one. Throws what loading throws.
  Borrowed borrow(const std::filesystem::path& plugin);

  struct Type {
    std::string name, summary;
  };
  /// The stages of a plugin, from a helper that has loaded it.
  std::vector<Type> types_of(const std::filesystem::path& plugin);
  /// Loads the plugin in a helper without limits, which then ends: throws what would have befallen this
  /// process.
  void probe(const std::filesystem::path& plugin);
  std::uint64_t next_number() { return next_.fetch_add(1); }

 private:
  std::unique_ptr<Helper> start(const std::filesystem::path& plugin, bool confined, std::vector<Type>* types);

  std::shared_ptr<HelperServer> server_;
  mutable std::mutex mutex_;
  PoolLimits limits_;
  std::map<std::filesystem::path, std::vector<std::unique_ptr<Helper>>> idle_;
  std::map<std::filesystem::path, std::string> digests_;
  std::atomic<std::uint64_t> next_{1};
};

}  // namespace petavox::isolation
