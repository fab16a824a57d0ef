// RUN: not pfrt-opt %s -p 'pfrt-tune{times="%S/times.json"}' 2>&1 | filecheck %s
// RUN: not pfrt-opt %s -p 'pfrt-tune{times="%S/times.json" machine="phone"}' 2>&1 | filecheck %s --check-prefix PHONE
// RUN: not pfrt-opt %s -p 'pfrt-tune{times="%s"}' 2>&1 | filecheck %s --check-prefix JSON

// Of several machines one must be named, and one that is there.
// CHECK: pfrt-tune: {{.*}}times.json: is not of one machine only; machines are "laptop"; "server"
// PHONE: pfrt-tune: {{.*}}times.json: is not of "phone"; machines are "laptop"; "server"

// What is no file of times is said.
// JSON: pfrt-tune: {{.*}}: cannot read times
func.func @main() {
  func.return
}
