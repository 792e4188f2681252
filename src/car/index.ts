/** Content-addressed archives (CAR): written from blocks, read from strangers, and used as a peer. */
export { CarFailure, CarReader, type CarSection } from './car-reader.ts'
export { CarDialer, type CarCounts, type CarSource, type CarStore } from './car-session.ts'
export { carHeader, carSectionHead, writeCar } from './car-writer.ts'
