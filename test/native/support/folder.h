// A temporary folder for one test.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace support {

// Creates an empty folder in the system's temporary directory and removes it with this object. Ends the program if it
// cannot be created.
class Folder {
 public:
  Folder() {
    std::string path = std::filesystem::temp_directory_path() / "ringtap-test-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      std::perror(path.c_str());
      std::abort();
    }
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  // Returns the path of a file in the folder.
  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
  // Returns the sorted names of the folder's entries.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace support
