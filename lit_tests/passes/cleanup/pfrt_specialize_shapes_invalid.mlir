// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="imagse=1x3"}' 2>&1 | filecheck %s --check-prefix=INPUT
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{dims="M=1"}' 2>&1 | filecheck %s --check-prefix=DIM
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="images=1x4"}' 2>&1 | filecheck %s --check-prefix=TYPE
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="images=2x3","masks=3"}' 2>&1 | filecheck %s --check-prefix=BINDS
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="images=-1x3"}' 2>&1 | filecheck %s --check-prefix=TEXT
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="arg2=4"}' 2>&1 | filecheck %s --check-prefix=SCALAR
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{dims="K=4"}' 2>&1 | filecheck %s --check-prefix=LABEL

func.func @main(%x: tensor<?x3xf32> {pfrt.name = "images", pfrt.dims = ["N", ""]}, %m: tensor<?xf32> {pfrt.name = "masks", pfrt.dims = ["N"]}, %i: i32, %k: memref<?xf32> {pfrt.dims = ["K"]}) {
  func.return
}
// INPUT: there is no input "imagse"; did you mean "images"?
// DIM: there is no dimension "M"; known are: K, N
// TYPE: input "images" is a tensor<?x3xf32>, not a tensor<1x4xf32>
// BINDS: input "masks": dimension "N" is 3 here, but 2 elsewhere
// TEXT: "images=-1x3" is not name=AxBxC; for example x=1x3x224x224
// SCALAR: input "arg2" is a i32, not a tensor
// LABEL: input "arg3" is a memref<?xf32>, not a tensor
