package testdata

func waits(c chan int) { // want: channel type
	go waits(nil) // want: go statement
	select {      // want: select
	default:
	}
	c <- 1   // want: send
	<-c      // want: receive
	close(c) // want: close
}
