#pragma once

#include <cstdio>
// jpeglib.h wants stdio before it.
#include <jpeglib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace emotion {

/// Bits of bytes in memory, those of highest value first. It looks past the end: seven bytes and what is taken must be readable.
struct BitReader {
  const std::uint8_t* next = nullptr;
  std::uint64_t window = 0;  ///< bits to be taken, from the left; some behind the first `count` may be there too
  int count = 0;
  bool failed = false;  ///< bits that are no code word were met

  /// Makes 56 bits at least available.
  void refill();
  void skip(int bits) {
    window <<= bits;
    count -= bits;
  }
};

/// The entropy decoder of baseline JPEGs that lie in memory whole, in the place of libjpeg's own: the same coefficients, so that
/// what libjpeg makes of them is the same pixels. In libjpeg each coefficient takes branches that no processor can foresee, on
/// its code word, its size and its sign; here the first is a table, for all but long code words, and the others are arithmetic.
///
/// It takes no damage: decode() then says so, and the picture is to be read again by libjpeg, whose rules for such data hold.
class FastHuffman {
 public:
  /// Whether it can decode the scan that jpeg_start_decompress() has just begun: sequential Huffman, one scan, 8 bits, and a
  /// libjpeg that is installed with the header of its modules, jpegint.h, as Debian and Ubuntu have it.
  static bool takes(const jpeg_decompress_struct& info);

  /// Reads the tables and all of the scan's bytes; libjpeg's source then stands at the marker behind them.
  explicit FastHuffman(jpeg_decompress_struct& info);

  /// Lets libjpeg call `decode_mcu` in the place of its own decoder, until the picture ends.
  static void replace(jpeg_decompress_struct& info, boolean (*decode_mcu)(j_decompress_ptr info, JBLOCKROW* blocks));

  /// Decodes the next MCU into `blocks`, which are zero; skips it where that is null or the MCU left or right of what is
  /// cropped.
  /// @return false if the data is damaged
  bool decode(const jpeg_decompress_struct& info, JBLOCKROW* blocks);

 private:
  /// The code word that the next kLookahead bits begin with; all zero where it reaches further.
  struct Entry {
    std::uint8_t code;     ///< bits of the code word
    std::uint8_t size;     ///< bits of the coefficient behind it
    std::uint8_t length;   ///< of both
    std::uint8_t advance;  ///< places that the coefficient and the zeros before it take, 64 for the end of a block
  };
  /// Coefficients that the next kLookahead bits begin with, the end of a block excepted, to be skipped together.
  struct Run {
    std::uint8_t length, advance;
  };
  static constexpr int kLookahead = 10;
  struct Table {
    std::array<Entry, 1 << kLookahead> entries;
    std::array<Run, 1 << kLookahead> runs;
    std::array<std::int32_t, 18> limit;  ///< of code words of each length, moved to the left of 16 bits: the first that is longer
    std::array<std::int32_t, 17> offset;  ///< place of a length's symbols less its first code word
    std::array<std::uint8_t, 256> symbols;
    bool ac;
  };

  static Entry find(const Table& table, std::uint64_t window);
  static Entry next(const Table& table, BitReader& bits);
  static int take(const Entry& entry, BitReader& bits);
  static std::uint32_t take_first(const Table& dc, std::uint32_t& prediction, BitReader& bits);
  static Entry make_entry(int symbol, int length, bool ac);
  static Table make_table(const JHUFF_TBL& huffman, bool ac);
  static void make_runs(Table& table);
  void unstuff(jpeg_decompress_struct& info);
  void start_segment();
  bool decode_block(const Table& dc, const Table& ac, std::uint32_t& prediction, JCOEF* block);
  bool pass_block(const Table& dc, const Table& ac, std::uint32_t& prediction);
  bool is_wanted(const jpeg_decompress_struct& info);

  std::array<std::unique_ptr<Table>, NUM_HUFF_TBLS> dc_, ac_;
  std::array<std::uint32_t, MAX_COMPS_IN_SCAN> predictions_{};  ///< the last DC value of each component
  std::unique_ptr<std::uint8_t[]> bytes_;                       ///< the scan without stuffed zeros and restart markers
  std::vector<std::size_t> ends_;                               ///< of each restart interval, in bytes_
  std::size_t segment_ = 0;
  unsigned restart_in_ = 0;  ///< MCUs until the next restart marker
  JDIMENSION column_ = 0;    ///< of the next MCU
  BitReader bits_;
};

}  // namespace emotion
