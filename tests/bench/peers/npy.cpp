#include "npy.hpp"

#include <array>
#include <fstream>
#include <vector>

namespace petavox::bench {
namespace {

constexpr std::array<std::pair<const char*, DType>, 9> types{{{"|u1", DType::u8},
                                                              {"<u2", DType::u16},
                                                              {"<u4", DType::u32},
                                                              {"<u8", DType::u64},
                                                              {"|i1", DType::i8},
                                                              {"<i2", DType::i16},
                                                              {"<i4", DType::i32},
                                                              {"<i8", DType::i64},
                                                              {"<f4", DType::f32}}};
constexpr char magic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};

[[noreturn]] void refuse(const std::string& path, const char* why) {
  throw Error{ErrorCode::io, path + " " + why + " (the benchmark cannot read it); write it with numpy.save"};
}

std::vector<Index> shape_in(const std::string& header) {
  std::vector<Index> shape;
  for (std::size_t at = header.find('(') + 1; at < header.size() && header[at] != ')';) {
    if (header[at] < '0' || header[at] > '9') {
      ++at;
      continue;
    }
    std::size_t used = 0;
    shape.push_back(std::stoll(header.substr(at), &used));
    at += used;
  }
  return shape;
}

}  // namespace

Array read_npy(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  char begin[10] = {};
  if (!file.read(begin, sizeof begin) || std::memcmp(begin, magic, sizeof magic) != 0)
    refuse(path, "is no .npy file of version 1.0");
  std::string header(static_cast<unsigned char>(begin[8]) + 256U * static_cast<unsigned char>(begin[9]), ' ');
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  if (header.find("'fortran_order': False") == std::string::npos) refuse(path, "is not in C order");
  std::vector<Index> shape = shape_in(header);
  if (shape.size() < 3 || shape.size() > 4) refuse(path, "has not three or four axes");
  if (shape.size() == 3) shape.insert(shape.begin(), 1);
  for (const auto& [code, type] : types) {
    if (header.find(code) == std::string::npos) continue;
    Array array{type, Box::from({0, 0, 0}, {shape[1], shape[2], shape[3]}), static_cast<int>(shape[0])};
    const auto bytes = array.bytes();
    if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
      refuse(path, "is too short");
    return array;
  }
  refuse(path, "has an unknown type");
}

void write_npy(const std::string& path, const Array& array) {
  const Extent s = array.box().shape();
  std::string header = "{'descr': '";
  for (const auto& [code, type] : types)
    if (type == array.dtype()) header += code;
  header += "', 'fortran_order': False, 'shape': (";
  if (array.channels() > 1) header += std::to_string(array.channels()) + ", ";
  header += std::to_string(s.z) + ", " + std::to_string(s.y) + ", " + std::to_string(s.x) + "), }";
  header.resize((header.size() + sizeof magic + 2 + 64) / 64 * 64 - sizeof magic - 3, ' ');
  header += '\n';
  std::ofstream file{path, std::ios::binary};
  file.write(magic, sizeof magic);
  file.put(static_cast<char>(header.size() % 256)).put(static_cast<char>(header.size() / 256));
  file << header;
  file.write(reinterpret_cast<const char*>(array.bytes().data()),
             static_cast<std::streamsize>(array.bytes().size()));
  if (!file.flush())
    throw Error{ErrorCode::io, "cannot write " + path + " (disk full?); choose another folder"};
}

}  // namespace petavox::bench
