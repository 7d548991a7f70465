#include "fast_huffman.h"

// What libjpeg's modules know of each other; after jpeglib.h.
#if __has_include(<jpegint.h>)
#include <jpegint.h>
#define EMOTION_JPEGINT
#endif

#include <algorithm>
#include <bit>
#include <cstring>

namespace emotion {
namespace {

/// A block of 64 code words of at most 16 bits, with coefficients of at most 15 bits each, ends within this many bytes.
constexpr std::size_t kPadding = 64 * 31 / 8 + 32;

/// Place in a block of the coefficients in the order of the file, along the diagonals; what goes past the end is kept at its
/// last.
constexpr std::array<std::uint8_t, 128> kNaturalOrder = [] {
  std::array<std::uint8_t, 128> order{};
  std::size_t k = 0;
  for (int diagonal = 0; diagonal < 15; ++diagonal) {
    const int low = std::max(0, diagonal - 7), high = std::min(7, diagonal);
    for (int i = low; i <= high; ++i) {
      const int row = diagonal % 2 == 0 ? high - (i - low) : i;  // even diagonals run upwards
      order[k++] = static_cast<std::uint8_t>(row * 8 + diagonal - row);
    }
  }
  for (; k < order.size(); ++k) order[k] = 63;
  return order;
}();
static_assert(kNaturalOrder[1] == 1 && kNaturalOrder[2] == 8 && kNaturalOrder[3] == 16 && kNaturalOrder[62] == 62);

}  // namespace

bool FastHuffman::takes(const jpeg_decompress_struct& info) {
#ifndef EMOTION_JPEGINT
  return false;
#endif
  return info.progressive_mode == 0 && info.arith_code == 0 && info.data_precision == 8 &&
         info.comps_in_scan == info.num_components && info.Ss == 0 && info.Se == DCTSIZE2 - 1 && info.Ah == 0 && info.Al == 0;
}

void FastHuffman::replace([[maybe_unused]] jpeg_decompress_struct& info,
                          [[maybe_unused]] boolean (*decode_mcu)(j_decompress_ptr info, JBLOCKROW* blocks)) {
#ifdef EMOTION_JPEGINT
  info.entropy->decode_mcu = decode_mcu;
#endif
}

FastHuffman::FastHuffman(jpeg_decompress_struct& info) {
  for (int c = 0; c < info.comps_in_scan; ++c) {
    const auto dc = static_cast<std::size_t>(info.cur_comp_info[c]->dc_tbl_no),
               ac = static_cast<std::size_t>(info.cur_comp_info[c]->ac_tbl_no);
    if (!dc_[dc]) dc_[dc] = std::make_unique<Table>(make_table(*info.dc_huff_tbl_ptrs[dc], false));
    if (!ac_[ac]) ac_[ac] = std::make_unique<Table>(make_table(*info.ac_huff_tbl_ptrs[ac], true));
  }
  unstuff(info);
  start_segment();
  restart_in_ = info.restart_interval;
}

FastHuffman::Entry FastHuffman::make_entry(int symbol, int length, bool ac) {
  const int size = ac ? symbol & 15 : symbol, run = ac ? symbol >> 4 : 0;
  return {.code = static_cast<std::uint8_t>(length),
          .size = static_cast<std::uint8_t>(size),
          .length = static_cast<std::uint8_t>(length + size),
          .advance = static_cast<std::uint8_t>(ac && size == 0 && run != 15 ? 64 : run + 1)};
}

/// Canonical code words (ITU T.81, C.2); libjpeg has checked that they fit their lengths.
FastHuffman::Table FastHuffman::make_table(const JHUFF_TBL& huffman, bool ac) {
  Table table{};
  table.ac = ac;
  std::copy_n(huffman.huffval, table.symbols.size(), table.symbols.begin());
  std::int32_t code = 0, place = 0;
  for (int length = 1; length <= 16; ++length, code <<= 1) {
    table.offset[static_cast<std::size_t>(length)] = place - code;
    for (int i = 0; i < huffman.bits[length] && place < 256; ++i, ++code, ++place) {
      if (length > kLookahead) continue;
      const int spare = kLookahead - length;
      std::fill_n(table.entries.begin() + (code << spare), 1 << spare,
                  make_entry(table.symbols[static_cast<std::size_t>(place)], length, ac));
    }
    table.limit[static_cast<std::size_t>(length)] = code << (16 - length);
  }
  if (ac) make_runs(table);
  return table;
}

/// A run goes on while the next code word lies within the bits that are looked at; its coefficient need not.
void FastHuffman::make_runs(Table& table) {
  for (std::size_t bits = 0; bits < table.entries.size(); ++bits) {
    Run& run = table.runs[bits];
    while (run.length < kLookahead) {
      const Entry& entry = table.entries[bits << run.length & (table.entries.size() - 1)];
      if (entry.length == 0 || entry.code > kLookahead - run.length || entry.advance == 64) break;
      run.length = static_cast<std::uint8_t>(run.length + entry.length);
      run.advance = static_cast<std::uint8_t>(run.advance + entry.advance);
    }
  }
}

/// Copies the scan's bytes, a zero behind each 0xff left out, up to the first marker that is not the next restart.
void FastHuffman::unstuff(jpeg_decompress_struct& info) {
  const std::uint8_t* from = info.src->next_input_byte;
  const std::uint8_t* const end = from + info.src->bytes_in_buffer;
  bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(info.src->bytes_in_buffer + kPadding);
  std::uint8_t* to = bytes_.get();
  const auto end_segment = [&] { ends_.push_back(static_cast<std::size_t>(to - bytes_.get())); };
  while (from < end) {
    const auto* marker = static_cast<const std::uint8_t*>(std::memchr(from, 0xff, static_cast<std::size_t>(end - from)));
    const auto* stop = marker == nullptr ? end : marker;
    to = std::copy(from, stop, to);
    from = stop;
    if (end - from < 2) break;
    if (from[1] == 0) {
      *to++ = 0xff;
    } else if (info.restart_interval != 0 && from[1] == 0xd0 + ends_.size() % 8) {
      end_segment();
    } else {
      break;
    }
    from += 2;
  }
  end_segment();
  std::fill_n(to, kPadding, std::uint8_t{0});
  info.src->next_input_byte = from;
  info.src->bytes_in_buffer = static_cast<std::size_t>(end - from);
}

void FastHuffman::start_segment() {
  bits_ = {.next = bytes_.get() + (segment_ == 0 ? 0 : ends_[segment_ - 1])};
  predictions_.fill(0);
}

inline void BitReader::refill() {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, next, sizeof bytes);
  if constexpr (std::endian::native == std::endian::little) bytes = __builtin_bswap64(bytes);
  window |= bytes >> count;
  next += (63 - count) >> 3;
  count |= 56;
}

/// The code word at the window's begin, by its length; of length 0, ending its block, if there is no such code word.
FastHuffman::Entry FastHuffman::find(const Table& table, std::uint64_t window) {
  const auto code = static_cast<std::int32_t>(window >> 48);
  for (int length = kLookahead + 1; length <= 16; ++length) {
    if (code >= table.limit[static_cast<std::size_t>(length)]) continue;
    const int place = (code >> (16 - length)) + table.offset[static_cast<std::size_t>(length)];
    return make_entry(table.symbols[static_cast<std::size_t>(place) & 0xff], length, table.ac);
  }
  return {.code = 0, .size = 0, .length = 0, .advance = 64};
}

[[gnu::always_inline]] inline FastHuffman::Entry FastHuffman::next(const Table& table, BitReader& bits) {
  Entry entry = table.entries[bits.window >> (64 - kLookahead)];
  if (entry.length == 0) [[unlikely]] {
    bits.refill();
    entry = find(table, bits.window);
    bits.failed |= entry.length == 0;
  }
  return entry;
}

/// The coefficient behind a code word.
[[gnu::always_inline]] inline int FastHuffman::take(const Entry& entry, BitReader& bits) {
  const auto value = static_cast<std::int32_t>(bits.window << entry.code >> 1 >> (63 - entry.size));
  bits.skip(entry.length);
  // EXTEND: values whose first bit is 0 are negative (ITU T.81, F.2.2.1).
  const std::int32_t negative = ((value >> ((entry.size - 1) & 31)) & 1) - 1;
  return value + (negative & (1 - (1 << entry.size)));
}

/// The first coefficient of a block: its difference to the one before.
[[gnu::always_inline]] inline std::uint32_t FastHuffman::take_first(const Table& dc, std::uint32_t& prediction, BitReader& bits) {
  bits.refill();
  return prediction += static_cast<std::uint32_t>(take(next(dc, bits), bits));
}

bool FastHuffman::decode_block(const Table& dc, const Table& ac, std::uint32_t& prediction, JCOEF* block) {
  BitReader bits = bits_;  // in registers
  block[0] = static_cast<JCOEF>(take_first(dc, prediction, bits));
  int k = 1;
  const auto decode_next = [&]() __attribute__((always_inline)) {
    const Entry entry = next(ac, bits);
    const int value = take(entry, bits);
    // The end of a block, and sixteen zeros, write a zero where one is.
    k += entry.advance;
    block[kNaturalOrder[static_cast<std::size_t>(k - 1)]] = static_cast<JCOEF>(value);
    return k < DCTSIZE2;
  };
  // Code words of at most 16 bits, coefficients of at most 15: 56 bits are enough for one that next() has to look for and one
  // that it has not.
  do {
    bits.refill();
  } while (decode_next() && decode_next());
  bits_ = bits;
  return !bits.failed;
}

/// The same without the coefficients, save the first, which later blocks build on.
bool FastHuffman::pass_block(const Table& dc, const Table& ac, std::uint32_t& prediction) {
  BitReader bits = bits_;
  take_first(dc, prediction, bits);
  int k = 1;
  const auto pass_next = [&]() __attribute__((always_inline)) {
    const Run run = ac.runs[bits.window >> (64 - kLookahead)];
    if (run.length != 0 && k + run.advance < DCTSIZE2) {
      bits.skip(run.length);
      k += run.advance;
      return true;
    }
    const Entry entry = next(ac, bits);
    bits.skip(entry.length);
    k += entry.advance;
    return k < DCTSIZE2;
  };
  do {
    bits.refill();
  } while (pass_next() && pass_next());
  bits_ = bits;
  return !bits.failed;
}

/// Whether libjpeg will use the coefficients of the next MCU, whose column it counts.
bool FastHuffman::is_wanted(const jpeg_decompress_struct& info) {
  const JDIMENSION column = column_;
  column_ = column + 1 == info.MCUs_per_row ? 0 : column + 1;
#ifdef EMOTION_JPEGINT
  return column >= info.master->first_iMCU_col && column <= info.master->last_iMCU_col;
#else
  return true;
#endif
}

bool FastHuffman::decode(const jpeg_decompress_struct& info, JBLOCKROW* blocks) {
  if (info.restart_interval != 0 && restart_in_-- == 0) {
    if (++segment_ == ends_.size()) return false;
    start_segment();
    restart_in_ = info.restart_interval - 1;
  }
  const std::uint8_t* const end = bytes_.get() + ends_[segment_];
  const bool wanted = is_wanted(info) && blocks != nullptr;
  for (int b = 0; b < info.blocks_in_MCU; ++b) {
    const auto component = static_cast<std::size_t>(info.MCU_membership[b]);
    const jpeg_component_info& table = *info.cur_comp_info[component];
    const Table &dc = *dc_[static_cast<std::size_t>(table.dc_tbl_no)], &ac = *ac_[static_cast<std::size_t>(table.ac_tbl_no)];
    if (!(wanted ? decode_block(dc, ac, predictions_[component], blocks[b][0]) : pass_block(dc, ac, predictions_[component])))
      return false;
    // The bytes of `count` bits are read ahead, and not used yet.
    if (bits_.next - bits_.count / 8 > end) return false;
  }
  return true;
}

}  // namespace emotion
