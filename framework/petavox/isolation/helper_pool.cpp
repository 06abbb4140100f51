#include "petavox/isolation/helper_pool.hpp"

#include "petavox/isolation/wire.hpp"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <thread>

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace petavox::isolation {
namespace {

/// Enough for the last message of a library that aborts.
constexpr std::size_t max_last_words = 300;
/// Of what a stage prints on one block: it must not fill the log.
constexpr std::size_t max_shown = 65536;
constexpr int death_ms = 10'000;

Deadline after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{seconds});
}

}  // namespace

Helper::Helper(HelperServer& server, const HelperLimits& limits, std::filesystem::path plugin)
    : server_{server},
      limits_{limits},
      plugin_{std::move(plugin)},
      process_{server.spawn(limits)},
      channel_{std::move(process_.socket), Channel::Side::host,
               limits.memory_bytes == 0 ? std::numeric_limits<std::size_t>::max() : limits.memory_bytes} {}

Helper::~Helper() {
  if (!dead_) server_.kill(process_.number);
}

// What a stage prints goes where it would go without a helper, but never to standard output, which belongs to
// results.
void Helper::read_output() {
  char text[65536];
  const ssize_t got = ::read(process_.output.get(), text, sizeof text);
  if (got <= 0) return;
  const auto size = static_cast<std::size_t>(got);
  if (const std::size_t shown = std::min(size, max_shown - std::min(shown_, max_shown)); shown > 0)
    static_cast<void>(!::write(2, text, shown));
  shown_ += size;
  last_words_.append(text, size);
  if (last_words_.size() > max_last_words) last_words_.erase(0, last_words_.size() - max_last_words);
}

// A second wall behind the deadline: it holds even where nobody is left to keep that.
void Helper::bound_time(double seconds) const {
  clockid_t clock{};
  timespec used{};
  if (!limits_.confined || ::clock_getcpuclockid(process_.pid, &clock) != 0 ||
      ::clock_gettime(clock, &used) != 0)
    return;
  const double cores = std::max(1U, std::thread::hardware_concurrency());
  const rlimit limit{static_cast<rlim_t>(static_cast<double>(used.tv_sec) + seconds * cores + 2),
                     RLIM_INFINITY};
  ::prlimit(process_.pid, RLIMIT_CPU, &limit, nullptr);
}

std::string Helper::end() {
  dead_ = true;
  const auto ended = [&](int wait_ms) {
    pollfd wait{process_.ending.get(), POLLIN, 0};
    return ::poll(&wait, 1, wait_ms) > 0;
  };
  // One that has closed its socket is about to end by itself.
  if (!ended(200)) server_.kill(process_.number);
  Ending ending;
  const bool known =
      ended(death_ms) && ::read(process_.ending.get(), &ending, sizeof ending) == sizeof ending;
  read_output();
  return known ? to_string(ending) : "does not end";
}

Message Helper::call(Tag tag, const Bytes& head, const std::vector<std::span<const std::byte>>& parts,
                     double seconds, const std::function<void(Channel&, Message&, Deadline)>& serve) {
  const auto begin = Clock::now();
  const Deadline deadline = after(seconds);
  last_words_.clear();
  shown_ = 0;
  bound_time(seconds);
  const auto died = [&](const std::string& how) {
    std::string words = last_words_;
    while (!words.empty() && std::isspace(static_cast<unsigned char>(words.back())) != 0) words.pop_back();
    std::replace_if(
        words.begin(), words.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
    return Error{
        ErrorCode::stage,
        fmt::format("the process of plugin {} {} after {:.1f} s{} (a fault of the plugin; nothing else is "
                    "touched); correct the stage",
                    plugin_.string(), how, std::chrono::duration<double>(Clock::now() - begin).count(),
                    words.empty() ? "" : ", saying '" + words + "'"),
        true};
  };
  try {
    channel_.send(tag, head, parts, deadline);
    while (true) {
      Message message = channel_.receive(deadline, process_.output.get(), [this] { read_output(); });
      if (message.tag == Tag::done) return message;
      if (message.tag == Tag::failed) {
        ByteReader in{message.head};
        throw get_error(in);
      }
      if (message.tag != Tag::ask || !serve)
        throw ChannelBroken{"the connection carried an unexpected message"};
      serve(channel_, message, deadline);
    }
  } catch (const DeadlinePassed&) {
    server_.kill(process_.number);
    end();
    throw died(fmt::format("did not answer within {:.4g} s and was killed", seconds));
  } catch (const ChannelBroken& broken) {
    const std::string how = end();
    throw died(std::string_view{broken.what()}.ends_with("was closed") ? how
                                                                       : how + " (" + broken.what() + ")");
  }
}

void HelperPool::set_limits(const PoolLimits& limits) {
  const std::lock_guard lock{mutex_};
  limits_ = limits;
  idle_.clear();
}

PoolLimits HelperPool::limits() const {
  const std::lock_guard lock{mutex_};
  return limits_;
}

HelperPool::Borrowed::~Borrowed() {
  if (!helper_ || helper_->dead()) return;
  const std::lock_guard lock{pool_->mutex_};
  pool_->idle_[helper_->plugin()].push_back(std::move(helper_));
}

std::unique_ptr<Helper> HelperPool::start(const std::filesystem::path& plugin, bool confined,
                                          std::vector<Type>* types) {
  const PoolLimits limits = this->limits();
  std::string sha256;
  {
    const std::lock_guard lock{mutex_};
    if (const auto known = digests_.find(plugin); known != digests_.end()) sha256 = known->second;
  }
  auto helper =
      std::make_unique<Helper>(*server_, HelperLimits{confined ? limits.memory_bytes : 0, confined}, plugin);
  ByteWriter out;
  out.put_text(plugin.string());
  out.put_text(sha256);
  const Message answer = helper->call(Tag::load, out.bytes(), {}, limits.answer_s);
  if (types == nullptr) return helper;
  ByteReader in{answer.head};
  const auto count = in.get<std::uint64_t>();
  for (std::uint64_t i = 0; i < count; ++i) {
    Type type;
    type.name = in.get_text();
    type.summary = in.get_text();
    types->push_back(std::move(type));
  }
  return helper;
}

void HelperPool::require(const std::filesystem::path& plugin, const std::string& sha256) {
  const std::lock_guard lock{mutex_};
  digests_[plugin] = sha256;
}

HelperPool::Borrowed HelperPool::borrow(const std::filesystem::path& plugin) {
  {
    const std::lock_guard lock{mutex_};
    auto& idle = idle_[plugin];
    if (!idle.empty()) {
      auto helper = std::move(idle.back());
      idle.pop_back();
      return {*this, std::move(helper)};
    }
  }
  return {*this, start(plugin, true, nullptr)};
}

std::vector<HelperPool::Type> HelperPool::types_of(const std::filesystem::path& plugin) {
  std::vector<Type> types;
  const Borrowed helper{*this, start(plugin, true, &types)};
  return types;
}

void HelperPool::probe(const std::filesystem::path& plugin) { start(plugin, false, nullptr); }

}  // namespace petavox::isolation
