// Writes classic BPF with forward jumps to labels.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "core/filter/filter_instruction.h"

namespace ringtap {

class CbpfWriter {
 public:
  using Label = std::size_t;
  static constexpr Label kNext = 0;  // the next instruction

  [[nodiscard]] Label label() {
    places_.push_back(0);
    return places_.size() - 1;
  }
  // Places the label at the next instruction, or at the end of the program.
  void land(Label label) { places_[label] = code_.size(); }

  void op(int code, std::uint32_t k = 0) { code_.push_back({static_cast<std::uint16_t>(code), 0, 0, k}); }
  // Appends a conditional jump (BPF_JEQ | BPF_K, …) over at most 255 instructions.
  void branch(int condition, std::uint32_t k, Label yes, Label no) {
    op(BPF_JMP | condition, k);
    jumps_.push_back({code_.size() - 1, yes, no});
  }
  // Appends an unconditional jump of any length.
  void go(Label to) {
    op(BPF_JMP | BPF_JA);
    jumps_.push_back({code_.size() - 1, to, kNext});
  }
  // Sets the target of an unconditional jump that append() has added.
  void aim(std::size_t from, Label to) { jumps_.push_back({from, to, kNext}); }
  // Appends a complete program, which is left only by `ret` or at its end.
  void append(const FilterProgram& program) { code_.insert(code_.end(), program.begin(), program.end()); }
  [[nodiscard]] std::size_t size() const { return code_.size(); }

  [[nodiscard]] FilterProgram finish() {
    for (const Jump& jump : jumps_) {
      FilterInstruction& from = code_[jump.from];
      const auto distance = [&](Label label) { return label == kNext ? 0 : places_[label] - jump.from - 1; };
      if (from.code == (BPF_JMP | BPF_JA)) {
        from.k = static_cast<std::uint32_t>(distance(jump.yes));
      } else {
        from.jt = static_cast<std::uint8_t>(distance(jump.yes));
        from.jf = static_cast<std::uint8_t>(distance(jump.no));
      }
    }
    return std::move(code_);
  }

 private:
  struct Jump {
    std::size_t from;
    Label yes;
    Label no;
  };

  FilterProgram code_;
  std::vector<Jump> jumps_;
  std::vector<std::size_t> places_{0};
};

}  // namespace ringtap
