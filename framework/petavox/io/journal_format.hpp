#pragma once
// The bytes of a journal file: eight bytes of magic, then frames. Internal to the journal's writer and
// reader.

#include "petavox/base/hash.hpp"
#include "petavox/io/journal.hpp"

#include <array>
#include <cstring>

namespace petavox::detail {

inline constexpr std::array<char, 8> journal_magic{'P', 'V', 'X', 'J', 'R', 'N', 'L', '1'};

enum class RecordType : std::uint8_t {
  header = 1,
  done = 2,
  failed = 3,
  lost = 4,
  quarantined = 5,
  invalidated = 6,
  complete = 7,
  note = 8,
  collected = 9,
};

/// Precedes each payload, which is padded with zeros to a multiple of eight bytes.
struct Frame {
  std::uint32_t size_and_type;  ///< payload bytes without padding in the low 24 bits, type in the high 8
  std::uint32_t sequence;       ///< low 32 bits of the record's number in its file
  std::uint64_t checksum;       ///< of the padded payload, keyed with all the rest

  std::size_t payload_bytes() const { return size_and_type & 0xffffffU; }
  std::size_t padded_bytes() const { return (payload_bytes() + 7) / 8 * 8; }
  RecordType type() const { return static_cast<RecordType>(size_and_type >> 24); }
};
static_assert(sizeof(Frame) == 16);

inline constexpr std::size_t max_text_bytes = std::size_t{64} << 10;
inline constexpr std::size_t max_header_bytes = std::size_t{8} << 20;

inline std::uint64_t frame_checksum(std::uint32_t generation, std::uint64_t sequence,
                                    std::uint32_t size_and_type, std::span<const std::byte> padded_payload) {
  const std::uint64_t place = mix64(sequence + 0x9e3779b97f4a7c15ULL * (std::uint64_t{generation} + 1));
  return checksum(padded_payload, mix64(place ^ mix64(std::uint64_t{size_and_type} + 0x632be59bd9b4e019ULL)));
}

/// Appends a whole frame.
void append_frame(Bytes& out, std::uint32_t generation, std::uint64_t sequence, RecordType type,
                  std::span<const std::byte> fixed, std::span<const std::byte> text);

Bytes encode_header(const JournalHeader& header);
/// Nothing if the bytes are no header.
std::optional<JournalHeader> decode_header(std::span<const std::byte> payload);

/// "journal/7".
std::string journal_name(std::uint32_t generation);
/// Ascending.
std::vector<std::uint32_t> list_generations(const OutputRoot& root);

}  // namespace petavox::detail
