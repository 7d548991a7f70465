#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// A Python pickle (protocols 2 to 5) of plain data: dictionaries, lists, tuples, text, bytes, numbers, and numpy arrays as
/// bytes.
///
/// Nothing is executed: every callable but the few that such data are written with is refused, as is every opcode outside the
/// list. Memory stays below a small multiple of the bytes read, whatever they say: a value takes 8 bytes, text is not copied.
/// Values may hold one another in cycles; who walks through them bounds the depth.
class PlainPickle {
 public:
  enum class Kind : std::uint8_t { kNone, kBool, kInt, kFloat, kText, kBytes, kList, kTuple, kDict, kArray, kOther };

  /// A value, valid as long as its pickle lives.
  class Value {
   public:
    Kind kind() const;
    bool is_text() const { return kind() == Kind::kText; }
    bool is_int() const { return kind() == Kind::kInt; }
    /// A list or a tuple.
    bool is_list() const { return kind() == Kind::kList || kind() == Kind::kTuple; }
    bool is_dict() const { return kind() == Kind::kDict; }
    std::int64_t integer() const;           ///< kInt, kBool; 0 otherwise
    double real() const;                    ///< kFloat, kInt; 0 otherwise
    std::string_view text() const;          ///< kText, kBytes; empty otherwise
    std::size_t size() const;               ///< items of a list or tuple, pairs of a dictionary
    Value operator[](std::size_t i) const;  ///< an item; for a dictionary the i-th pair's value
    Value key(std::size_t i) const;
    /// A dictionary's value; the last one where a key stands twice. Reads the pairs one by one.
    std::optional<Value> find(std::string_view key) const;
    /// kArray: dtype as numpy writes it without byte order (`f4`), shape, and its bytes in C order.
    std::string_view array_type() const;
    std::vector<std::int64_t> array_shape() const;
    std::string_view array_bytes() const;

   private:
    friend class PlainPickle;
    friend class PlainPickleReader;
    Value(const PlainPickle* pickle, std::uint64_t bits) : pickle_(pickle), bits_(bits) {}
    const PlainPickle* pickle_;
    std::uint64_t bits_;
  };

  /// `bytes` must outlive the pickle; `where` is for errors. @throws DataError
  PlainPickle(std::string_view bytes, std::string where);
  Value root() const { return {this, root_}; }

 private:
  using Node = std::uint64_t;  // a tag of 4 bits, then a small integer or a place in one of the tables
  struct Container {
    Kind kind;
    std::vector<Node> items;  // a dictionary's keys and values by turns
  };

  friend class PlainPickleReader;  // fills the tables

  Node root_ = 0;
  std::vector<Container> containers_;
  std::vector<std::string_view> texts_;
  std::vector<std::int64_t> numbers_;
  std::vector<double> reals_;
  std::deque<std::string> owned_;  // what texts_ shows where the file does not hold it as it is
};

}  // namespace emotion
