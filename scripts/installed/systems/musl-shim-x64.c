/* What libgcc_s takes from its static part on x64. */
struct {
  unsigned vendor, type, subtype, features[1];
} __cpu_model;
unsigned __cpu_features2[4];

int __cpu_indicator_init(void) { return 0; }
